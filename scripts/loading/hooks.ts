/**
 * Makes the modules of a thread load in a fraction of the time. Node loads this module first in each process and worker
 * of a test run, by the flag `--import`. `prepare.ts` writes this module as JavaScript, beside the bundle.
 *
 * - A module of Effect comes from the bundle: a few files in place of hundreds. Tests from source have no bundle.
 * - A TypeScript file of this repository comes from a copy without types. Otherwise, Node would remove the types in
 *   each thread.
 *
 * Invariants:
 * 1. Each module of Effect comes from the bundle, for each importing module, so that a thread has no second Effect.
 * 2. A TypeScript file keeps its URL, its lines and its columns.
 * 3. A file without an up-to-date copy is loaded by Node.
 * 4. A bundled source also keeps its URL, but its code has the lines of the bundle. Only the gate bundles the sources,
 *    so that no edited file has an old bundle.
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

/** The path of the folder of the bundled sources, with a folder for each package, if this run uses it. */
const sources = bundle === undefined ? undefined : process.env["QUIESCE_BUNDLED_SOURCES"]

/** The URL of each module that the packages of this repository export, by its name, if their sources are bundled. */
const exported: Readonly<Record<string, string>> =
  sources === undefined ? {} : JSON.parse(readFileSync(`${sources}/exports.json`, "utf8"))

/**
 * The copy of a file without types. Undefined if there is no up-to-date copy. The last line of a copy identifies the
 * state of the file.
 */
const withoutTypes = (url: string): string | undefined => {
  try {
    const { mtimeMs, size } = statSync(fileURLToPath(url))
    const copy = readFileSync(stripped + url.slice(root.length).replaceAll("/", "+"), "utf8")
    return copy.endsWith(`\n// ${mtimeMs} ${size}`) ? copy : undefined
  } catch {
    return undefined
  }
}

/** The text of a bundled source, or of a file that sources share. Undefined for a module that is not bundled. */
const bundledSource = (url: string): string | undefined => {
  const [, name, file] = /^packages\/([^/]+)\/src\/(.*)$/.exec(url.slice(root.length)) ?? []
  if (sources === undefined || name === undefined) return undefined
  try {
    return readFileSync(`${sources}/${name}/${file}`, "utf8")
  } catch {
    return undefined
  }
}

/** The URL of a file that bundled sources share. */
const sharedFile = (specifier: string, parent: string): string | undefined =>
  sources !== undefined && /\/(?:bundle-\w+|rolldown-runtime)\.js$/.test(specifier)
    ? new URL(specifier, parent).href
    : undefined

const sourceOf = (url: string): string | undefined => {
  if (bundle !== undefined && url.startsWith(bundle)) return readFileSync(fileURLToPath(url), "utf8")
  if (!isOwn(url)) return undefined
  return bundledSource(url) ?? (url.endsWith(".ts") ? withoutTypes(url) : undefined)
}

registerHooks({
  resolve: (specifier, context, next) => {
    if (bundle === undefined) return next(specifier, context)
    if (specifier.startsWith(".") && context.parentURL?.startsWith(bundle) === true) {
      return own(new URL(specifier, context.parentURL).href)
    }
    const parent = isOwn(context.parentURL) ? context.parentURL : undefined
    if (parent !== undefined) {
      const url = Object.hasOwn(exported, specifier) ? exported[specifier] : sharedFile(specifier, parent)
      if (url !== undefined) return own(url)
    }
    const name = parent !== undefined ? /^effect(?:\/(?!package\.json$)(.*))?$/.exec(specifier) : null
    if (name !== null) return own(`${bundle}${folders[name[1] ?? ""] ?? name[1]}.js`)
    const found = next(specifier, context)
    return found.url.startsWith(effect) ? { ...found, ...own(bundle + found.url.slice(effect.length)) } : found
  },
  load: (url, context, next) => {
    const source = sourceOf(url)
    return source === undefined ? next(url, context) : { format: "module", source, shortCircuit: true }
  }
})
