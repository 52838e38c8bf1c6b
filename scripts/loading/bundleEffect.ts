/**
 * Writes all of Effect as a few files: one small file for each public module, over shared files that contain the code.
 *
 * The functions keep their names, and the module that runs fibers stays a separate file with the same end of its path,
 * because the toolkit recognises the frames of a halted stack by both.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { build } from "vite"

/** The module that runs fibers. `effectInternals.ts` of the worker's package recognises this path. */
const fiberModule = "internal/effect.js"

/**
 * The modules that are loaded together. Each list also contains all imports of its modules that no earlier list
 * contains. The assignment of modules to lists affects only the speed.
 */
const lists: ReadonlyArray<readonly [name: string, roots: ReadonlyArray<string>]> = [
  [
    "core",
    [
      "Effect.js",
      "Layer.js",
      "Schema.js",
      "Deferred.js",
      "Fiber.js",
      "Metric.js",
      "ManagedRuntime.js",
      "Console.js",
      "Logger.js"
    ]
  ],
  ["stream", ["Stream.js", "rpc/RpcGroup.js", "rpc/RpcSchema.js", "http/Headers.js", "workers/Transferable.js"]],
  ["rpc", ["rpc/RpcServer.js", "rpc/RpcClient.js"]],
  ["all", ["index.js"]]
]

/** Writes the modules of the folder `effect` into the folder `output`. */
export const bundleEffect = async (effect: string, output: string): Promise<void> => {
  const idOf = (file: string): string => relative(effect, file).replaceAll("\\", "/")
  const groups = groupsOf(effect)
  await build({
    configFile: false,
    logLevel: "error",
    root: effect,
    ssr: { noExternal: true },
    build: {
      ssr: true,
      outDir: output,
      emptyOutDir: true,
      minify: false,
      target: "esnext",
      rolldownOptions: {
        input: Object.fromEntries(publicModules(effect).map((file) => [file.slice(0, -3), join(effect, file)])),
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
            groups: groups.map(([name, files], index) => ({
              name: `internal/${name}`,
              test: (id) => files.has(idOf(id)),
              priority: groups.length - index
            }))
          }
        }
      }
    }
  })
  writeFileSync(join(output, "package.json"), JSON.stringify({ type: "module" }))
}

const publicModules = (effect: string): ReadonlyArray<string> =>
  readdirSync(effect, { recursive: true, encoding: "utf8" })
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => file.endsWith(".js") && !file.includes("internal/"))

/** The name of each shared file, and its modules. The module that runs fibers follows all its imports. */
const groupsOf = (effect: string): ReadonlyArray<readonly [name: string, files: ReadonlySet<string>]> => {
  const below = withImports(effect, [fiberModule])
  below.delete(fiberModule)
  return [
    ["base", below],
    ["effect", new Set([fiberModule])],
    ...lists.map(([name, roots]) => [name, withImports(effect, roots)] as const)
  ]
}

/** Modules with all modules that they import. */
const withImports = (effect: string, roots: ReadonlyArray<string>): Set<string> => {
  const found = new Set(roots)
  // The loop over a set also visits modules that are added during the loop.
  for (const file of found) {
    const text = readFileSync(join(effect, file), "utf8")
    for (const [, specifier] of text.matchAll(/^(?:import|export)[^\n"']*?["'](\.[^"']+)["']/gm)) {
      found.add(join(dirname(file), specifier!).replaceAll("\\", "/"))
    }
  }
  return found
}
