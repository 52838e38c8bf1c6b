/** The pages in an installed package: each page that one of them links to must be in the package, too. */
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"

/** The relative links to Markdown files, without their anchors. */
const linksOf = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/\]\((?![a-z]+:)([^)#\s]+\.md)(?:#[^)]*)?\)/g)].map(([, target = ""]) => target)

/** The links that lead nowhere in the folder of a package, as lines of text. */
export const brokenLinks = (folder: string): ReadonlyArray<string> =>
  globSync("{*.md,docs/**/*.md}", { cwd: folder }).flatMap((page) =>
    linksOf(readFileSync(join(folder, page), "utf8"))
      .map((target) => ({ target, file: join(folder, dirname(page), target) }))
      .filter(({ file }) => relative(folder, file).startsWith("..") || !existsSync(file))
      .map(({ target }) => `${page} links to ${target}, which is not in the package`)
  )
