/**
 * Packs every published package as it would go to the registry and checks the tarball, not the work tree: its manifest
 * with publint, its types with are-the-types-wrong. Needs a build (`tsc -b`).
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"

const run = (
  command: string,
  args: ReadonlyArray<string>,
  cwd = ".",
  stdout: "inherit" | "ignore" = "inherit"
): boolean => {
  const { error, status } = spawnSync(command, args, {
    cwd,
    stdio: ["ignore", stdout, "inherit"],
    shell: process.platform === "win32"
  })
  if (error) console.error(`${command}: ${error.message}`)
  return status === 0
}

// The pnpm that runs this script, or any pnpm 12.
const pack = (root: string, directory: string): boolean => {
  const args = ["pack", "--pack-destination", directory]
  const pnpm = process.env["npm_execpath"]
  if (pnpm === undefined || !/pnpm/.test(basename(pnpm))) return run("npx", ["-y", "pnpm@12", ...args], root, "ignore")
  return /\.[cm]?js$/.test(pnpm) ? run("node", [pnpm, ...args], root, "ignore") : run(pnpm, args, root, "ignore")
}

// attw leaves out wildcard exports, so each public module is named: those in `src`, and those in each folder of `src`
// with an index, which is an entry of its own.
const entrypoints = (root: string): ReadonlyArray<string> => {
  const src = join(root, "src")
  const entries = readdirSync(src, { withFileTypes: true })
    .filter((folder) => folder.isDirectory() && existsSync(join(src, folder.name, "index.ts")))
    .map(({ name }) => name)
  return [
    ".",
    ...modulesOf(src),
    ...entries.flatMap((name) => [`./${name}`, ...modulesOf(join(src, name), `./${name}`)])
  ]
}

const modulesOf = (folder: string, prefix = "."): ReadonlyArray<string> =>
  readdirSync(folder)
    .filter((file) => file.endsWith(".ts") && file !== "index.ts")
    .map((file) => `${prefix}/${basename(file, ".ts")}`)

const check = (root: string): boolean => {
  const directory = mkdtempSync(join(tmpdir(), "quiesce-pack-"))
  try {
    if (!pack(root, directory)) return false
    const tarball = readdirSync(directory)[0]
    if (tarball === undefined) return false
    const file = join(directory, tarball)
    const publint = run("publint", ["run", file, "--strict"])
    const attw = run("attw", [
      file,
      "--profile",
      "esm-only",
      "--format",
      "table-flipped",
      "--no-summary",
      "--entrypoints",
      ...entrypoints(root)
    ])
    return publint && attw
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const isPublished = (root: string): boolean => {
  const manifest: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  return !(typeof manifest === "object" && manifest !== null && "private" in manifest && manifest.private === true)
}

const failed = readdirSync("packages")
  .map((name) => join("packages", name))
  .filter(isPublished)
  .filter((root) => {
    console.log(`\n${root}`)
    return !check(root)
  })

for (const root of failed) console.error(`FAIL  ${root}`)
process.exitCode = failed.length > 0 ? 1 : 0
