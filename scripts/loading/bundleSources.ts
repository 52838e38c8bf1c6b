/**
 * Writes the sources of a package as a few files: one small file for each module, over shared files that contain the
 * code.
 *
 * `hooks.ts` serves each small file under the URL of the module's source, and each shared file under a URL in the
 * folder of the sources, because the toolkit recognises its own frames in a stack by that folder.
 *
 * A module that acts when it is loaded, such as the program of a worker, is not bundled, because it would act when
 * another module of its shared file is loaded.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs"
import { basename, dirname, join, posix, relative } from "node:path"
import { pathToFileURL } from "node:url"
import { build, type Plugin } from "vite"

/**
 * The bundled packages, each with lists of modules that are loaded together. Each list also contains all imports of its
 * modules that no earlier list contains. Modules that import only Node come first, and all remaining modules come last.
 * The lists affect only the speed.
 */
const packages: Readonly<Record<string, Readonly<Record<string, ReadonlyArray<string>>>>> = {
  core: {},
  "worker-threads": {
    worker: ["ThreadWorker.ts", "Schemas.ts", "HostLease.ts"],
    locks: ["SharedMutex.ts", "SharedSemaphore.ts"]
  },
  process: {},
  testing: {
    laws: ["laws/Adapter.ts", "laws/Interpreter.ts", "laws/World.ts", "Leaks.ts", "VirtualClock.ts"],
    // The remaining modules import vitest and fast-check.
    programs: [
      "FakeAdapter.ts",
      "FaultyWorker.ts",
      "Interleaving.ts",
      "Interruption.ts",
      "Journal.ts",
      "Simulation.ts",
      "internal/faults/workerPorts.ts",
      "laws/Law.ts",
      "laws/Model.ts"
    ]
  },
  cluster: {}
}

/** Modules that act when they are loaded. */
const acting: ReadonlySet<string> = new Set(["DumpBeforeTimeout.ts", "Matchers.ts", "internal/eyes/quiesce.ts"])

const acts = (file: string): boolean => file.endsWith(".worker.ts") || acting.has(file)

/** Writes the modules of all packages below `root` into the folder `output`, a folder for each package. */
export const bundleSources = async (
  root: string,
  output: string,
  withoutTypes: (text: string) => string
): Promise<void> => {
  const exported = exportsOf(root)
  const plain = new Set<string>()
  for (const [name, lists] of Object.entries(packages)) {
    const sources = join(root, "packages", name, "src")
    const urlOf = (file: string): string => pathToFileURL(join(sources, file)).href
    const files = globSync("**/*.ts", { cwd: sources })
      .map(forward)
      .filter((file) => !acts(file))
    const imports = new Map(
      files.map((file) => [file, importsOf(withoutTypes(readFileSync(join(sources, file), "utf8")))])
    )
    const isPlain = (file: string): boolean =>
      imports.get(file)!.every((id) => {
        const url = id.startsWith(".") ? urlOf(join(dirname(file), id)) : exported[id]
        return id.startsWith("node:") || (url !== undefined && plain.has(url))
      })
    for (const file of files) plain.add(urlOf(file))
    // A module is bundled only if all its imports are bundled.
    while (files.some((file) => plain.has(urlOf(file)) && !isPlain(file) && plain.delete(urlOf(file)))) continue
    const groups = { ...groupsOf(lists, imports), main: new Set(files) }
    const ofNode = new Set(files.filter((file) => plain.has(urlOf(file))))
    await bundlePackage(sources, join(output, name), Object.entries({ plain: ofNode, ...groups }))
  }
  writeFileSync(join(output, "exports.json"), JSON.stringify(exported))
}

/** The URL of each module that the packages export, by its name. */
const exportsOf = (root: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.keys(packages).flatMap((folder) => {
      const directory = join(root, "packages", folder)
      const { exports, name }: Manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"))
      return Object.entries(exports).flatMap(([pattern, path]) =>
        globSync(path?.endsWith(".ts") === true ? path : [], { cwd: directory }).flatMap((file) => {
          const exported = pattern.replace("*", basename(file, ".ts"))
          if (exports[exported] === null) return []
          return [[posix.join(name, exported), pathToFileURL(join(directory, file)).href]]
        })
      )
    })
  )

interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, string | null>>
}

type Groups = ReadonlyArray<readonly [name: string, files: ReadonlySet<string>]>

const bundlePackage = async (sources: string, output: string, groups: Groups): Promise<void> => {
  const idOf = (file: string): string => forward(relative(sources, file))
  const files = groups.flatMap(([, group]) => [...group])
  await build({
    configFile: false,
    logLevel: "error",
    root: sources,
    plugins: [ownUrls],
    ssr: { external: true },
    build: {
      ssr: true,
      outDir: output,
      emptyOutDir: true,
      minify: false,
      target: "esnext",
      rolldownOptions: {
        input: Object.fromEntries(files.map((file) => [file.slice(0, -3), join(sources, file)])),
        external: (id) => !id.startsWith(".") && !id.startsWith(sources),
        preserveEntrySignatures: "strict",
        treeshake: false,
        output: {
          format: "es",
          comments: false,
          keepNames: true,
          minifyInternalExports: false,
          entryFileNames: (chunk) => idOf(chunk.facadeModuleId!),
          chunkFileNames: "[name].js",
          codeSplitting: {
            groups: groups.map(([name, group], index) => ({
              name: `bundle-${name}`,
              test: (id) => group.has(idOf(id)),
              priority: groups.length - index
            }))
          }
        }
      }
    }
  })
}

/** Each module keeps its own URL, although its code is in a shared file. */
const ownUrls: Plugin = {
  name: "own-urls",
  enforce: "pre",
  transform(code, id) {
    if (!code.includes(ownUrl)) return undefined
    const url = JSON.stringify(pathToFileURL(id).href)
    return urlPlaces(this.parse(code, { lang: "ts" }))
      .toSorted((one, other) => other - one)
      .reduce((text, start) => text.slice(0, start) + url + text.slice(start + ownUrl.length), code)
  }
}

const ownUrl = "import.meta.url"

/** The properties of a syntax tree's node for an access to a property. */
interface Member {
  readonly object?: { readonly type?: string }
  readonly property?: { readonly name?: string }
  readonly start?: number
}

/**
 * The places of `import.meta.url` in a syntax tree. A string with these words, such as a message with advice, does not
 * count.
 */
const urlPlaces = (tree: unknown): Array<number> => {
  if (typeof tree !== "object" || tree === null) return []
  const { object, property, start } = tree as Member
  if (object?.type === "MetaProperty" && property?.name === "url") return [start!]
  return Object.values(tree).flatMap(urlPlaces)
}

const forward = (path: string): string => path.replaceAll("\\", "/")

/** The modules of each list, with all modules that they import statically. */
const groupsOf = (
  lists: Readonly<Record<string, ReadonlyArray<string>>>,
  imports: ReadonlyMap<string, ReadonlyArray<string>>
): Readonly<Record<string, ReadonlySet<string>>> =>
  Object.fromEntries(
    Object.entries(lists).map(([name, roots]) => {
      const found = new Set(roots)
      // The loop over a set also visits modules that are added during the loop.
      for (const file of found) {
        const relatives = imports.get(file)!.filter((id) => id.startsWith("."))
        for (const id of relatives) found.add(forward(join(dirname(file), id)))
      }
      return [name, found]
    })
  )

/** The modules that a text without types imports statically. */
const importsOf = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/^(?:import|export)\s(?:[^"'()=]*?\sfrom\s)?\s*["']([^"']+)["']/gm), ([, id]) => id!)
