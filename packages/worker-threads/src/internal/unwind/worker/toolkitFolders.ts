/**
 * Finds the folders that hold the code of this toolkit, so that its frames can be told from those of user code.
 *
 * Invariants:
 * 1. The folders are found only if this module itself runs from one of them, and no other copy of core is loaded. In a
 *    bundle, frames of the toolkit and of user code have the same URL.
 * 2. A folder holds the code of one package and nothing else: neither its tests nor packages that are installed below it.
 */
import { getCallSites } from "node:util"
import { hasSeveralCopies } from "@quiesce/core/internal"

/** `problem` says why the folders are not known. */
export type Found =
  | { readonly folders: ReadonlyArray<string>; readonly problem: undefined }
  | { readonly folders: undefined; readonly problem: string }

/** The URLs of the folders, each with a slash at its end. */
export const find = (): Found => {
  const problem = copiesProblem()
  if (problem !== undefined) return { folders: undefined, problem }
  try {
    const folders = ["@quiesce/core", "@quiesce/worker-threads"].map(folderOf)
    // The inspector names scripts like this. A loader may give modules another `import.meta.url`.
    const script = getCallSites(1, { sourceMap: false })[0]?.scriptName
    if (script?.startsWith(folders[1]!) === true) return { folders, problem: undefined }
  } catch {
    // The packages are not installed where a bundle runs, or there is no `import.meta`.
  }
  return { folders: undefined, problem: unknown }
}

/** Why the folders do not hold all code of this toolkit by now. Another copy of core may be loaded at any time. */
export const copiesProblem = (): string | undefined => (hasSeveralCopies() ? twoCopies : undefined)

const problemOf = (why: string): string =>
  `the code of this toolkit can't be told from the task's, because ${why}. Keep effect out of the worker's bundle, and @quiesce/core and @quiesce/worker-threads, too, or put what may take long into Blocking.interruptible`

const unknown = problemOf("it does not run from its own packages, as in a bundle")
const twoCopies = problemOf("two copies of @quiesce/core are loaded")

/** The folder below the root of a package that its main module is in. */
const folderOf = (name: string): string => {
  const root = new URL(".", import.meta.resolve(`${name}/package.json`)).href
  const main = import.meta.resolve(name)
  const end = main.indexOf("/", root.length)
  if (!main.startsWith(root) || end < 0) throw new Error(`The code of ${name} has no folder of its own`)
  return main.slice(0, end + 1)
}
