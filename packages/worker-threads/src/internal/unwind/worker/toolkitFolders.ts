/**
 * Finds the folders that hold the code of this toolkit, so that its frames can be told from those of user code.
 *
 * Invariants:
 * 1. The folders are found only if this module itself runs from one of them. In a bundle it does not, and there frames
 *    of the toolkit and of user code have the same URL.
 * 2. A folder holds the code of one package and nothing else: neither its tests nor packages that are installed below it.
 */
import { getCallSites } from "node:util"

/** `problem` says why the folders are not known. */
export type Found =
  | { readonly folders: ReadonlyArray<string>; readonly problem: undefined }
  | { readonly folders: undefined; readonly problem: string }

/** The URLs of the folders, each with a slash at its end. */
export const find = (): Found => {
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

const unknown =
  "the code of this toolkit can't be told from the task's, because it does not run from its own packages, as in a bundle. Keep effect out of the worker's bundle, and @quiesce/core and @quiesce/worker-threads, too, or put what may take long into Blocking.interruptible"

/** The folder below the root of a package that its main module is in. */
const folderOf = (name: string): string => {
  const root = new URL(".", import.meta.resolve(`${name}/package.json`)).href
  const main = import.meta.resolve(name)
  const end = main.indexOf("/", root.length)
  if (!main.startsWith(root) || end < 0) throw new Error(`The code of ${name} has no folder of its own`)
  return main.slice(0, end + 1)
}
