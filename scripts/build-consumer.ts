/**
 * Builds the program of a consumer in each way that the page "Building" shows, and runs each output on two versions of
 * Node.
 */
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

interface Way {
  readonly name: string
  /** The script of the tool in the consumer's `node_modules`, or of the consumer itself, and its arguments. */
  readonly command: ReadonlyArray<string>
  readonly output: string
  /** Whether the output runs in a folder without packages. */
  readonly isWhole: boolean
}

const vite = "node_modules/vite/bin/vite.js"

const ways: ReadonlyArray<Way> = [
  { name: "unbuilt", command: [], output: ".", isWhole: false },
  { name: "tsc", command: ["node_modules/typescript/bin/tsc"], output: "built-tsc", isWhole: false },
  {
    name: "vite build --ssr",
    command: [vite, "build", "--ssr", "--mode", "external"],
    output: "built-vite-external",
    isWhole: false
  },
  {
    name: "vite build --ssr, bundled",
    command: [vite, "build", "--ssr", "--mode", "bundled"],
    output: "built-vite-bundled",
    isWhole: true
  },
  { name: "esbuild, bundled", command: ["build.esbuild.mjs"], output: "built-esbuild", isWhole: true }
]

/** The installed versions of Node: the version of the scripts, and the oldest supported version. */
const nodes: ReadonlyArray<string> = ["node_modules/node-22/bin/node", "node_modules/node/bin/node"]
  .filter((file) => existsSync(file))
  .map((file) => resolve(file))

const expected = "4\n49\nRangeError: the path is a string\n3\n"

const run = (node: string, args: ReadonlyArray<string>, cwd: string): string | undefined => {
  const { status, stderr, stdout } = spawnSync(node, args, { cwd, encoding: "utf8", timeout: 300_000 })
  if (status === 0) return stdout
  console.error(`${stdout}${stderr}`)
  return undefined
}

/** The folder of the output. A whole bundle is copied to a folder without installed packages above it. */
const placeOf = (folder: string, { isWhole, name, output }: Way): string => {
  if (!isWhole) return join(folder, output)
  const place = mkdtempSync(join(tmpdir(), "quiesce-bundle-"))
  cpSync(join(folder, output), place, { recursive: true })
  writeFileSync(join(place, "package.json"), JSON.stringify({ name, type: "module" }))
  return place
}

const absent = "Node 22 is not installed here (the dependency node-22 is for Linux on x64), so nothing ran on it"

/** Builds and runs. Returns false if a build fails, or if an output prints something else. */
export const buildConsumer = (folder: string): boolean => {
  let good = true
  if (nodes.length < 2) console.log(absent)
  for (const way of ways) {
    const isBuilt = way.command.length === 0 || run(process.execPath, way.command, folder) !== undefined
    const main = way.name === "unbuilt" ? "main.ts" : "main.js"
    const place = isBuilt ? placeOf(folder, way) : undefined
    for (const node of nodes) {
      const printed = place === undefined ? undefined : run(node, [main], place)
      const version = spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim()
      console.log(`${way.name}, on ${version}: ${printed === expected ? "ok" : `FAIL: printed ${printed}`}`)
      good &&= printed === expected
    }
    if (way.isWhole && place !== undefined) rmSync(place, { recursive: true, force: true })
  }
  return good
}
