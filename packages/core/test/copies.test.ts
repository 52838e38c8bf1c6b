import { execFile } from "node:child_process"
import { cp, mkdtemp, readFile, rm, symlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { expect, it } from "vitest"
import { version } from "../src/internal/version.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const own = new URL("../src/index.ts", import.meta.url).href
const run = promisify(execFile)

/** The output of a process that loads the modules and then spawns a thread with each. */
const loading = async (...urls: ReadonlyArray<string>): Promise<string> => {
  const program = `
    import { Effect } from "effect"
    for (const url of ${JSON.stringify(urls)}) {
      const { Thread } = await import(url)
      await Effect.runPromise(Effect.scoped(Effect.flatMap(Thread.spawn(Effect.void), Thread.join)))
    }
    await new Promise(setImmediate)
  `
  const { stderr, stdout } = await run(process.execPath, ["--input-type=module", "--eval", program], { cwd: root })
  return stdout + stderr
}

it("names a second copy in one warning, with the places of both", async () => {
  const folder = await mkdtemp(join(tmpdir(), "quiesce-copy-"))
  try {
    await cp(join(root, "src"), join(folder, "src"), { recursive: true })
    await symlink(join(root, "node_modules"), join(folder, "node_modules"), "junction")
    const copy = pathToFileURL(join(folder, "src/index.ts")).href
    const printed = await loading(own, copy)
    expect(printed.match(/Two copies of @quiesce\/core/g)).toHaveLength(1)
    expect(printed).toContain(`${version} from ${new URL("internal/currentThread.ts", own).href}`)
    expect(printed).toContain(`and ${version} from ${new URL("internal/currentThread.ts", copy).href}`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

it("prints nothing for a single copy", async () => {
  expect(await loading(own, own)).not.toContain("copies")
})

it("the module's version is the version of the manifest", async () => {
  const manifest: unknown = JSON.parse(await readFile(join(root, "package.json"), "utf8"))
  expect(manifest).toHaveProperty("version", version)
})
