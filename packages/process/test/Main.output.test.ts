import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, it } from "vitest"
import { fixture, observe, shellWord, start } from "./support.ts"

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "quiesce-output-"))
  file = join(folder, "cleaned")
})
afterEach(() => rm(folder, { recursive: true }))

it("Main.run ends although the reader of its output never reads", async () => {
  const program = start("output", { args: ["unread", file] })
  program.child.stdout!.pause()
  await program.prints("ready")
  program.kill("SIGTERM")
  // The streams have not ended, because they have no reader.
  const [code, signal] = (await once(program.child, "exit")) as [number | null, NodeJS.Signals | null]

  expect({ code, signal }).toEqual({ code: 143, signal: null })
  expect(existsSync(file)).toBe(true)
  program.child.stdout!.destroy()
})

it("Main.run writes the whole stderr for a slow reader", async () => {
  const program = start("output", { args: ["writesErrors", file] })
  program.child.stderr!.pause()
  await program.prints("ready")
  program.child.stderr!.resume()
  const { code, err } = await program.ended

  expect({ code, length: err.length }).toEqual({ code: 0, length: 1_000_000 })
})

it("Main.run writes both outputs completely after a signal", async () => {
  const program = start("output", { args: ["writesAtEnd", file] })
  await program.prints("ready")
  program.kill("SIGTERM")
  const { code, err, out } = await program.ended

  expect(code).toBe(143)
  expect({ out: out.length, err: err.length }).toEqual({ out: "ready\n".length + 1_000_000, err: 1_000_000 })
})

it("Main.run whose reader closes the pipe runs the finalizers and ends as by SIGPIPE, without a message", async () => {
  const program = start("output", { args: ["broken", file] })
  await program.prints("ready")
  program.child.stdout!.destroy()
  const { code, err, signal } = await program.ended

  expect({ code, err, signal }).toEqual({ code: 141, err: "", signal: null })
  expect(existsSync(file)).toBe(true)
})

it("Main.run whose last write has no reader ends as by SIGPIPE, without a message", async () => {
  const program = start("output", { args: ["writesLast", file] })
  program.child.stdout!.destroy()
  const { code, err, signal } = await program.ended

  expect({ code, err, signal }).toEqual({ code: 141, err: "", signal: null })
  expect(existsSync(file)).toBe(true)
})

it("Main.run writes the output of a program that is cancelled between a cork and its uncork", async () => {
  const program = start("output", { args: ["corked", file] })
  await program.prints("ready")
  program.kill("SIGTERM")

  expect(await program.ended).toMatchObject({ code: 143, out: "held back" })
})

it("Main.run warns that output is lost if the first signal comes after the end of a failed program", async () => {
  const program = start("output", { args: ["failed", file] })
  program.child.stdout!.pause()
  await program.prints("leaving")
  program.kill("SIGTERM")
  const [code, signal] = (await once(program.child, "exit")) as [number | null, NodeJS.Signals | null]

  expect({ code, signal }).toEqual({ code: null, signal: "SIGTERM" })
  expect(program.output.err).toBe(
    "leaving\nprogram: SIGTERM, ending at once. Output that has not been written is lost.\n"
  )
  program.child.stdout!.destroy()
})

it.runIf(existsSync("/dev/full"))("Main.run reports once that its output can't be written, and ends", async () => {
  const command = [process.execPath, fixture("output"), "broken", file].map(shellWord).join(" ")
  const program = observe(spawn("sh", ["-c", `exec ${command} >/dev/full`], { stdio: ["ignore", "pipe", "pipe"] }))
  const { code, err, signal } = await program.ended

  expect({ code, signal }).toEqual({ code: 1, signal: null })
  expect(err).toBe("program: stdout can't be written: ENOSPC: no space left on device, write\n")
  expect(existsSync(file)).toBe(true)
})

it.runIf(process.platform !== "win32").each([
  ["stdout", ">&-"],
  ["stdout and stdin", ">&- <&-"]
])("Main.run without %s from the start ends at a signal as usual", async (_, redirection) => {
  const command = [process.execPath, fixture("output"), "closed", file].map(shellWord).join(" ")
  const program = observe(spawn("sh", ["-c", `exec ${command} ${redirection}`], { stdio: ["pipe", "pipe", "pipe"] }))
  await program.prints("ready")
  program.kill("SIGTERM")

  expect(await program.ended).toMatchObject({ code: 143, signal: null, out: "" })
  expect(existsSync(file)).toBe(true)
})
