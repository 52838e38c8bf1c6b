/**
 * Prepares the quick loading of modules for a test run, once for each version of Effect. Vitest runs `setup` before the
 * first test.
 */
import { createHash } from "node:crypto"
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { basename, join } from "node:path"
import { pathToFileURL } from "node:url"
import { bundleEffect } from "./bundleEffect.ts"
import { bundleSources } from "./bundleSources.ts"

const root = join(import.meta.dirname, "../..")
const effect = realpathSync(join(root, "packages/core/node_modules/effect"))
const { exports, version }: { exports: Readonly<Record<string, string | null>>; version: string } = JSON.parse(
  readFileSync(join(effect, "package.json"), "utf8")
)

const textOf = (name: string): string => readFileSync(join(import.meta.dirname, name), "utf8")

/** Another version of Effect, or another way to bundle Effect, has another folder. */
const key = createHash("sha256")
  .update(
    JSON.stringify([effect, version, ...["bundleEffect.ts", "bundleSources.ts", "hooks.ts", "prepare.ts"].map(textOf)])
  )
  .digest("hex")
  .slice(0, 12)

const folder = join(root, ".cache/loading", `${version}-${key}`)
/** A path like the path of the package, because the test kit leaves out frames of such paths. */
const bundle = join(folder, "node_modules/effect/dist")
const stripped = join(folder, "stripped")
const hooks = join(folder, "hooks.js")
/** The hooks without the bundle. */
const sourceHooks = join(folder, "source-hooks.js")

const flagOf = (file: string): string => `--import=${pathToFileURL(file).href}`

/** The flag of Node by which a process, and each worker of the process, loads modules quickly. */
export const flag: string = flagOf(hooks)

/** The same flag, with Effect from its own files. */
export const sourceFlag: string = flagOf(sourceHooks)

const urlOf = (directory: string): string => `${pathToFileURL(directory).href}/`

/** Makes the bundle and the hooks, unless an earlier run has made them. A draft becomes the folder in one step. */
const makeFolder = async (): Promise<void> => {
  const draft = `${folder}.${process.pid}`
  await bundleEffect(join(effect, "dist"), join(draft, "node_modules/effect/dist"))
  mkdirSync(join(draft, "stripped"))
  const prepared = {
    root: urlOf(root),
    effect: urlOf(join(effect, "dist")),
    folders: foldersOfModules(),
    stripped: join(stripped, "/")
  }
  writeFileSync(join(draft, "package.json"), JSON.stringify({ type: "module" }))
  const write = (file: string, values: object): void =>
    writeFileSync(
      join(draft, basename(file)),
      `const prepared = ${JSON.stringify(values)}\n${withoutTypes(textOf("hooks.ts"))}`
    )
  write(hooks, { ...prepared, bundle: urlOf(bundle) })
  write(sourceHooks, prepared)
  try {
    renameSync(draft, folder)
  } catch (cause) {
    rmSync(draft, { recursive: true, force: true })
    // Another run may have been faster.
    if (!existsSync(hooks)) throw cause
  }
}

/**
 * The exports of Effect that end in the index of a folder: the name after `effect/`, and the module without extension.
 */
const foldersOfModules = (): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(exports).flatMap(([name, path]) => {
      const module = /^\.\/dist\/(.*index)\.js$/.exec(path ?? "")?.[1]
      return module === undefined ? [] : [[name.replace(/^\.\/?/, ""), module]]
    })
  )

/**
 * Removes the types by the function that Node itself uses. Node prints a warning about this experimental function in
 * each process.
 */
const withoutTypes = (text: string): string => {
  const emitWarning = process.emitWarning.bind(process)
  process.emitWarning = () => {}
  try {
    return stripTypeScriptTypes(text)
  } finally {
    process.emitWarning = emitWarning
  }
}

/** Copies each TypeScript file without its types, unless there is an up-to-date copy. */
const copyFiles = (): void => {
  for (const file of globSync(["packages/*/{src,test}/**/*.ts", "examples/**/*.ts"], {
    cwd: root,
    exclude: isInstalled
  })) {
    const path = join(root, file)
    const { mtimeMs, size } = statSync(path)
    const stamp = `\n// ${mtimeMs} ${size}`
    const copy = join(stripped, file.replaceAll(/[\\/]/g, "+"))
    if (existsSync(copy) && readFileSync(copy, "utf8").endsWith(stamp)) continue
    const draft = `${copy}.${process.pid}`
    writeFileSync(draft, withoutTypes(readFileSync(path, "utf8")) + stamp)
    renameSync(draft, copy)
  }
}

const isInstalled = (name: string): boolean => name.endsWith("node_modules")

/** Bundles the sources of the packages in their present state, and passes the folder to all threads of this run. */
const makeSources = async (): Promise<void> => {
  const stamps = globSync("packages/*/{package.json,src/**/*.ts}", { cwd: root, exclude: isInstalled }).map((file) => {
    const { mtimeMs, size } = statSync(join(root, file))
    return [file, mtimeMs, size]
  })
  const state = createHash("sha256").update(JSON.stringify(stamps)).digest("hex").slice(0, 12)
  const sources = join(folder, "sources", state)
  process.env["QUIESCE_BUNDLED_SOURCES"] = sources
  if (existsSync(sources)) return
  const draft = `${sources}.${process.pid}`
  await bundleSources(root, draft, withoutTypes)
  renameSync(draft, sources)
}

/** The global setup of vitest. */
export const setup = async (): Promise<void> => {
  const start = performance.now()
  const isNew = !existsSync(hooks)
  if (isNew) await makeFolder()
  copyFiles()
  if (process.env["QUIESCE_BUNDLE_SOURCES"] === "1") await makeSources()
  const made = isNew ? `, made in ${((performance.now() - start) / 1000).toFixed(1)} s` : ""
  console.log(
    `Effect ${version} comes from a bundle in .cache/loading${made}. Projects named "from source" load it from its own files.`
  )
}
