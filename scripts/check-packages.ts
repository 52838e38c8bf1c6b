/**
 * Packs every published package as for the registry and checks the tarball, not the work tree: its manifest with
 * publint, its types with are-the-types-wrong. A consumer is then built from the tarballs. Needs a build (`tsc -b`).
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { buildConsumer } from "./build-consumer.ts"
import { brokenCommands } from "./check-commands.ts"
import { checkSizes } from "./bundle-size.ts"
import { brokenLinks } from "./check-links.ts"
import { makeConsumer } from "./consumer.ts"

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

// attw leaves out wildcard exports, so each public module is named: the modules in `src`, and the folders of `src` with
// an index, which are entries of their own.
const entrypoints = (root: string): ReadonlyArray<string> => {
  const src = join(root, "src")
  const entries = readdirSync(src, { withFileTypes: true })
    .filter((folder) => folder.isDirectory() && existsSync(join(src, folder.name, "index.ts")))
    .map(({ name }) => name)
  return [
    ".",
    ...modulesOf(src),
    ...(existsSync(join(src, "internal/plainTask")) ? ["./taskWorker"] : []),
    ...entries.flatMap((name) => [`./${name}`, ...modulesOf(join(src, name), `./${name}`)])
  ]
}

const modulesOf = (folder: string, prefix = "."): ReadonlyArray<string> =>
  readdirSync(folder)
    .filter((file) => file.endsWith(".ts") && file !== "index.ts")
    .map((file) => `${prefix}/${basename(file, ".ts")}`)

const packed = mkdtempSync(join(tmpdir(), "quiesce-pack-"))

/** The tarball of each package, by the name of the package. */
const tarballs = new Map<string, string>()

const check = ({ name, root }: Published): boolean => {
  const directory = join(packed, basename(root))
  mkdirSync(directory)
  if (!pack(root, directory)) return false
  const tarball = readdirSync(directory)[0]
  if (tarball === undefined) return false
  const file = join(directory, tarball)
  tarballs.set(name, file)
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
}

interface Published {
  readonly name: string
  readonly root: string
}

const published = (root: string): ReadonlyArray<Published> => {
  const manifest: { name: string; private?: boolean } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  return manifest.private === true ? [] : [{ name: manifest.name, root }]
}

const failed: Array<string> = []
try {
  for (const each of readdirSync("packages").flatMap((name) => published(join("packages", name)))) {
    console.log(`\n${each.root}`)
    if (!check(each)) failed.push(each.root)
  }
  console.log("\nconsumer")
  const folder = makeConsumer(tarballs, "scripts/consumer")
  try {
    for (const name of tarballs.keys()) {
      const broken = brokenLinks(join(folder, "node_modules", name))
      for (const line of broken) console.log(`${name}: FAIL: ${line}`)
      if (broken.length > 0) failed.push(`the pages of ${name}`)
    }
    for (const name of tarballs.keys()) {
      for (const problem of await brokenCommands(join(folder, "node_modules", name))) {
        console.log(`${name}: FAIL: ${problem}`)
        failed.push(`the commands of ${name}`)
      }
    }
    if (!(await checkSizes(folder))) failed.push("bundle size")
    if (!buildConsumer(folder)) failed.push("consumer")
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
} finally {
  rmSync(packed, { recursive: true, force: true })
}

for (const name of failed) console.error(`FAIL  ${name}`)
process.exitCode = failed.length > 0 ? 1 : 0
