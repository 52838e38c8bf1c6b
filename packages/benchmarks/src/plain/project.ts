/** A project with the packages as published: built, and with the exports of the registry. Needs a build (`tsc -b`). */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const packages = fileURLToPath(new URL("../../..", import.meta.url))
const programs = fileURLToPath(new URL(".", import.meta.url))

interface Manifest {
  readonly publishConfig: { readonly exports: unknown }
}

let made: string | undefined

/** The folder of the project. It is removed at the end of the process. */
export const folder = (): string => {
  if (made !== undefined) return made
  const root = mkdtempSync(join(tmpdir(), "quiesce-bench-"))
  process.once("exit", () => rmSync(root, { recursive: true, force: true }))
  for (const name of ["core", "worker-threads"]) install(root, name)
  for (const name of ["effect", "piscina", "tinypool", "workerpool"]) {
    symlinkSync(folderOf(name), join(root, "node_modules", name), "dir")
  }
  for (const file of ["program.mjs", "add.mjs", "move.mjs", "move.piscina.mjs", "workerpool.worker.mjs"])
    cpSync(join(programs, file), join(root, file))
  return (made = root)
}

const install = (root: string, name: string): void => {
  const target = join(root, "node_modules/@quiesce", name)
  mkdirSync(target, { recursive: true })
  cpSync(join(packages, name, "dist"), join(target, "dist"), { recursive: true })
  const manifest = JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8")) as Manifest
  writeFileSync(join(target, "package.json"), JSON.stringify({ ...manifest, ...manifest.publishConfig }))
}

/** The folder of an installed package, which need not export its manifest. */
const folderOf = (name: string): string => {
  const main = fileURLToPath(import.meta.resolve(name))
  const folder = join("node_modules", name)
  return main.slice(0, main.lastIndexOf(folder) + folder.length)
}
