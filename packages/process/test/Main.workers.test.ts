import { setTimeout } from "node:timers/promises"
import { expect, it } from "vitest"
import type { Main } from "@quiesce/process"
import { start } from "./support.ts"

const run = (program: string, options: Main.Options = {}) =>
  start("workers", { args: [program, JSON.stringify(options)] })

const lines = Array.from({ length: 1000 }, (_, index) => `line ${index + 1}\n`).join("")

it("Main.run writes a thousand lines of a worker's console.log before it exits", async () => {
  const { code, out } = await run("prints").ended

  expect(code).toBe(1)
  expect(out).toBe(lines)
})

it("Main.run writes a megabyte to a slow pipe before it exits", async () => {
  const program = run("writes")
  const { stdout } = program.child
  // Each chunk is followed by a pause of the reader.
  stdout!.on("data", () => {
    stdout!.pause()
    void setTimeout(20).then(() => stdout!.resume())
  })
  const { code, out } = await program.ended

  expect(code).toBe(1)
  expect(out).toBe(`${"x".repeat(1_000_000)}end`)
})

it("Main.run ends a busy worker on the rung unwind, and the finalizers of the program run", async () => {
  const program = run("spins", { progress: "none", escalation: { interrupt: "300 millis", unwind: "10 seconds" } })
  await program.prints("spinning")
  program.kill("SIGTERM")
  const { code, err, out } = await program.ended

  expect(err).toBe("")
  expect(code).toBe(143)
  expect(out).toContain("cleaned")
})

it("Main.run climbs to unwind at the second signal, and prints the stack of the busy worker", async () => {
  const escalation = { interrupt: "1 minute", unwind: "10 seconds", kill: "10 seconds" } as const
  const program = run("spins", { progress: "none", escalation })
  await program.prints("spinning")
  program.kill("SIGINT")
  // Signals of one kind count once within 100 ms.
  await setTimeout(500)
  program.kill("SIGINT")
  const { code, err, out } = await program.ended

  expect(code).toBe(130)
  expect(out).toContain("cleaned")
  expect(err).toContain("SIGINT again, now on unwind")
  expect(err).toContain("spinForever")
})

it("Main.run waits for the cleanup in a worker", async () => {
  const program = run("waits")
  await program.prints("ready")
  program.kill("SIGHUP")
  const { code, err, out } = await program.ended

  expect(err).toBe("")
  expect(code).toBe(129)
  expect(out).toContain("the worker has cleaned up")
})
