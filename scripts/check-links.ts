/**
 * Checks the pages of an installed package: each link must lead to a file of that package, or to a package installed
 * beside it.
 */
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"

/** The relative links, without their anchors. */
const linksOf = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/\]\((?![a-z]+:)([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, target = ""]) => target)

/**
 * A package beside this one may be installed in another version, so a link may lead to its folder, and to no file in
 * the folder.
 */
const leadsOut = (folder: string, file: string): boolean => {
  const path = relative(folder, file)
  return path.startsWith("..") && !/^\.\.[/\\][^/\\]+$/.test(path)
}

/** The broken links in the folder of a package, as lines of text. */
export const brokenLinks = (folder: string): ReadonlyArray<string> =>
  globSync("{*.md,docs/**/*.md}", { cwd: folder }).flatMap((page) =>
    linksOf(readFileSync(join(folder, page), "utf8"))
      .map((target) => ({ target, file: join(folder, dirname(page), target) }))
      .filter(({ file }) => leadsOut(folder, file) || !existsSync(file))
      .map(({ target }) => `${page} links to ${target}, which is not in the package`)
  )
