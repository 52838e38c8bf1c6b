import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, it } from "vitest"
import { fixture, observe, type Running, shellWord } from "./support.ts"

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "quiesce-wrapper-"))
})
afterEach(() => rm(folder, { recursive: true }))

const program = [process.execPath, fixture("orphan"), JSON.stringify({ parentExit: "end" })].map(shellWord).join(" ")

/** A wrapper in a process group of its own, like the commands of a shell with job control. */
const wrap = (command: string, ...args: ReadonlyArray<string>): Running =>
  observe(
    spawn(command, args, {
      cwd: folder,
      detached: true,
      env: { ...process.env, NODE_NO_WARNINGS: "1" },
      stdio: ["ignore", "pipe", "pipe"]
    })
  )

const npmRun = async (): Promise<Running> => {
  await writeFile(join(folder, "package.json"), JSON.stringify({ scripts: { start: program } }))
  return wrap("npm", "run", "start")
}

const shell = async (): Promise<Running> => wrap("sh", "-c", `${program}; true`)

const hasNpm = process.platform !== "win32" && spawnSync("npm", ["--version"]).status === 0

it.runIf(hasNpm)("Main.run under npm run ends when npm is ended by a SIGTERM that npm does not forward", async () => {
  const wrapper = await npmRun()
  await wrapper.prints("ready")
  wrapper.kill("SIGTERM")
  const { out } = await wrapper.ended

  expect(out).toContain("cleaned: The parent process has ended")
})

it.runIf(hasNpm)("Main.run under npm run ends once at a Ctrl-C to the whole group", async () => {
  const wrapper = await npmRun()
  await wrapper.prints("ready")
  process.kill(-wrapper.child.pid!, "SIGINT")
  const { err, out } = await wrapper.ended

  expect(out).toContain("cleaned: Received SIGINT")
  expect(err).not.toContain("SIGINT again")
})

it.runIf(process.platform !== "win32")("Main.run under sh -c ends when the shell is killed", async () => {
  const wrapper = await shell()
  await wrapper.prints("ready")
  wrapper.kill("SIGKILL")
  const { out } = await wrapper.ended

  expect(out).toContain("cleaned: The parent process has ended")
})

it.runIf(process.platform !== "win32")("Main.run under sh -c ends at a Ctrl-C to the whole group", async () => {
  const wrapper = await shell()
  await wrapper.prints("ready")
  process.kill(-wrapper.child.pid!, "SIGINT")
  await once(wrapper.child, "close")

  expect(wrapper.output.out).toContain("cleaned: Received SIGINT")
})
