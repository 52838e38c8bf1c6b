/**
 * Makes the modules of a thread load in a fraction of the time. Node loads this module first in each process and worker
 * of a test run, by the flag `--import`. `prepare.ts` writes it as JavaScript, beside the bundle.
 *
 * - A module of Effect comes from the bundle: a few files in place of hundreds. Tests from source have no bundle.
 * - A TypeScript file of this repository comes from a copy without types. Node would remove the types in each thread.
 *
 * Invariants:
 * 1. Each module of Effect comes from the bundle, whatever imports it, so that a thread has no second Effect.
 * 2. A TypeScript file keeps its URL, its lines and its columns.
 * 3. A file without a copy of its present state is loaded in Node's way.
 */
import { readFileSync, statSync } from "node:fs"
import { registerHooks } from "node:module"
import { fileURLToPath } from "node:url"

/** `prepare.ts` writes the value above this line. */
declare const prepared: {
  /** The URLs of this repository, of the folder of Effect's modules, and of the bundle, if there is one. */
  readonly root: string
  readonly effect: string
  readonly bundle?: string
  /** The modules that are named by their folder, such as `rpc`. */
  readonly folders: Readonly<Record<string, string>>
  /** The path of the folder of the copies without types. */
  readonly stripped: string
}

const { root, effect, bundle, folders, stripped } = prepared

const isOwn = (url: string | undefined): url is string =>
  url?.startsWith(root) === true && !url.includes("/node_modules/")

const own = (url: string) => ({ url, format: "module", shortCircuit: true })

/** The copy of a file without types; undefined without a copy of the file's present state, which its last line names. */
const withoutTypes = (url: string): string | undefined => {
  try {
    const { mtimeMs, size } = statSync(fileURLToPath(url))
    const copy = readFileSync(stripped + url.slice(root.length).replaceAll("/", "+"), "utf8")
    return copy.endsWith(`\n// ${mtimeMs} ${size}`) ? copy : undefined
  } catch {
    return undefined
  }
}

registerHooks({
  resolve: (specifier, context, next) => {
    if (bundle === undefined) return next(specifier, context)
    const name = isOwn(context.parentURL) ? /^effect(?:\/(?!package\.json$)(.*))?$/.exec(specifier) : null
    if (name !== null) return own(`${bundle}${folders[name[1] ?? ""] ?? name[1]}.js`)
    const found = next(specifier, context)
    return found.url.startsWith(effect) ? { ...found, ...own(bundle + found.url.slice(effect.length)) } : found
  },
  load: (url, context, next) => {
    const source = isOwn(url) && url.endsWith(".ts") ? withoutTypes(url) : undefined
    return source === undefined ? next(url, context) : { format: "module", source, shortCircuit: true }
  }
})
