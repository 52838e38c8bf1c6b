import { constants } from "node:os"
import { describe, expect, it } from "vitest"
import type { Main } from "@quiesce/process"
import { endTwice, type Running, start } from "./support.ts"

const run = (program: string, options: Main.Options = {}, env: Readonly<Record<string, string>> = {}): Running =>
  start("signals", { args: [program, JSON.stringify(options)], env })

const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const

it.each(signals)("Main.run ends at %s with a Shutdown that names it, and with 128 + n", async (signal) => {
  const program = run("waits")
  await program.prints("ready")
  program.kill(signal)
  const { err, out, ...end } = await program.ended

  expect(end).toEqual({ code: 128 + constants.signals[signal], signal: null })
  expect(err).toBe("")
  const reason = JSON.parse(out.split("reason: ")[1]!) as unknown // the fixture prints this
  expect(reason).toMatchObject({ _tag: "Shutdown", signal, message: `Received ${signal}`, by: "main" })
})

it("Main.run handles only the signals in its options", async () => {
  const program = run("waits", { signals: ["SIGTERM"] })
  await program.prints("ready")
  program.kill("SIGINT")

  expect(await program.ended).toMatchObject({ code: null, signal: "SIGINT", out: "ready\n" })
})

it("Main.run with reraise ends by the signal itself, after the finalizers", async () => {
  const program = run("waits", { reraise: true })
  await program.prints("ready")
  program.kill("SIGTERM")
  const { code, out, signal } = await program.ended

  expect({ code, signal }).toEqual({ code: null, signal: "SIGTERM" })
  expect(out).toContain("reason: ")
})

it("Main.run has the code 0 if the program drains at the stop", async () => {
  const program = run("drains", { escalation: { stop: "1 minute", interrupt: "1 minute" } })
  await program.prints("ready")
  program.kill("SIGTERM")

  expect(await program.ended).toEqual({ code: 0, signal: null, out: "ready\ndrained\ncleaned\n", err: "" })
})

it("Main.run climbs a rung at the second signal, and names the threads that still run", async () => {
  const program = run("ignoresStop", { escalation: { stop: "1 minute", interrupt: "1 minute" }, progress: "none" })
  await program.prints("ready")
  program.kill("SIGINT")
  await program.prints("saw the stop")
  await afterPause()
  program.kill("SIGINT")
  const { code, err, out } = await program.ended

  expect(code).toBe(130)
  expect(out).toContain("cleaned")
  expect(err).toContain("program: SIGINT again, now on interrupt. A third one ends the process at once.")
})

it("Main.run prints threads, leases and the hanging finalizer at the second signal, and ends at the third", async () => {
  const program = run("hangs", { progress: "none" })
  await program.prints("ready")
  program.kill("SIGTERM")
  await program.prints("releasing")
  await afterPause()
  program.kill("SIGTERM")
  await program.prints("Still alive")
  await program.prints("slow, held for")
  await afterPause()
  program.kill("SIGTERM")
  const { err, ...end } = await program.ended

  expect(end).toMatchObject({ code: null, signal: "SIGTERM" })
  expect(err).toMatch(/SIGTERM again, no higher rung is available, waiting up to \d\.\d s more/)
  expect(err).toMatch(/program #\d+ cancelled \(interrupt: Received SIGTERM\)/)
  expect(err).toMatch(/- slow, held for \d+ ms, releasing for \d+ ms/)
  expect(err).toMatch(/- folder, held for \d+ ms/)
  expect(err).toContain("SIGTERM again, ending at once")
})

it("Main.run with onSecondSignal exit ends at the second signal", async () => {
  const program = run("hangs", { progress: "none", onSecondSignal: "exit" })
  await program.prints("ready")
  program.kill("SIGINT")
  await program.prints("releasing")
  await afterPause()
  program.kill("SIGTERM")

  expect(await program.ended).toMatchObject({ code: null, signal: "SIGTERM" })
})

it("Main.run abandons a program, and reports that uninterruptible code has delayed the end", async () => {
  const program = run("masked", { progress: "none", budget: "400 millis" })
  await program.prints("ready")
  program.kill("SIGTERM")
  const { code, err } = await program.ended

  expect(code).toBe(143)
  expect(err).toMatch(
    /given up, .* The interrupt waited for uninterruptible code in the body of "program": .*give their waits a limit\./
  )
})

it("Main.run abandons a hanging finalizer when the budget is used up, and releases the other leases", async () => {
  const program = run("hangs", { progress: "none", budget: "800 millis" })
  await program.prints("ready")
  program.kill("SIGTERM")
  const { code, err, out } = await program.ended

  expect(code).toBe(143)
  expect(out).toContain("released folder")
  expect(err).toContain("program: given up, because it did not end in time.")
  expect(err).toContain("lost: slow")
  // The report covers the whole climb. The budget reserves an eighth for the remaining releases.
  const [, millis] = /program: abandoned after (\d+) ms/.exec(err) ?? []
  expect(Number(millis)).toBeGreaterThanOrEqual(700)
  // A busy machine may double the budget and more. Without a budget, the release would hang for ever.
  expect(Number(millis)).toBeLessThan(10_000)
  expect(err).not.toContain("uninterruptible")
  const [, first] = /\n {2}interrupt at \d+ ms: outwaited for (\d+) ms/.exec(err) ?? []
  expect(Number(first)).toBeGreaterThanOrEqual(600)
})

describe.skipIf(process.platform === "win32")("a worker that can't be ended", () => {
  it.each([
    ["in the program", "blocksExit"],
    ["before the program", "waitsBesideBlocked"]
  ])("does not hold up the exit, which has its code and runs the listeners, if it started %s", async (_, name) => {
    const program = run(name)
    await program.prints("ready")
    await program.prints("in native code")
    program.kill("SIGTERM")
    const { code, err, signal } = await program.ended

    expect({ code, signal }).toEqual({ code: 143, signal: null })
    expect(err).toContain("exiting")
  })

  it("does not hold up the exit of a program that fails, as with a loop that the engine does not interrupt", async () => {
    const { code, err, signal } = await run("failsBesideLoop").ended

    expect({ code, signal }).toEqual({ code: 1, signal: null })
    expect(err).toContain("exiting")
  })

  it("does not hold up the end of a program that has ended well", async () => {
    const program = run("endsBesideLoop")
    const { code, err, signal } = await program.ended

    expect({ code, err, signal }).toEqual({ code: 7, err: "exiting\n", signal: null })
  })

  it("holds up the exit if Node has to write a file then, and a further signal ends the process", async () => {
    const end = await endTwice((env) => run("blocksExit", {}, env))

    expect(end).toMatchObject({ code: null, signal: "SIGTERM" })
  })
})

it.each([[{ kill: "1 minute" }], [{ unwind: "1 minute", kill: "1 minute" }]] as const)(
  "Main.run interrupts a program whose escalation has only rungs by force: %j",
  async (escalation) => {
    const program = run("waits", { escalation })
    await program.prints("ready")
    program.kill("SIGTERM")
    const { code, err, out } = await program.ended

    expect({ code, err }).toEqual({ code: 143, err: "" })
    expect(out).toContain("reason: ")
  }
)

it("Main.run abandons a program whose escalation has only rungs by force, within the budget", async () => {
  const program = run("hangs", { progress: "none", escalation: { kill: "100 millis" } })
  await program.prints("ready")
  program.kill("SIGTERM")
  const { code, err, out } = await program.ended

  expect(code).toBe(143)
  expect(out).toContain("releasing")
  expect(err).toContain("program: given up, because it did not end in time.")
})

it("Main.run has the code 1 and reports the failure if a finalizer fails after a signal", async () => {
  const program = run("fails")
  await program.prints("ready")
  program.kill("SIGTERM")
  const { code, err, out } = await program.ended

  expect(code).toBe(1)
  expect(`${out}${err}`).toContain("bad release")
})

it("Main.run names the threads that it waits for after a second, in plain lines outside a terminal", async () => {
  const program = run("slowly")
  await program.prints("ready")
  program.kill("SIGINT")
  const { code, err, out } = await program.ended

  expect(code).toBe(130)
  expect(out).toContain("released folder")
  expect(err.split("\n")[0]).toMatch(/^program: waiting for program {2}\d+\.\d s$/)
})

it.each([
  ["three", "program: waiting for 3 threads: thread 1, thread 2, thread 3 "],
  ["six", "program: waiting for 6 threads: thread 1, thread 2, thread 3, thread 4 and 2 more "]
])("Main.run names up to four threads that it waits for: %s", async (name, text) => {
  const program = run(name)
  await program.prints("ready")
  program.kill("SIGINT")

  await program.prints(text)
})

it("Main.run names the threads beside a program whose finalizer waits, such as calls of a plain function", async () => {
  const program = run("awaitsCalls")
  await program.prints("ready")
  program.kill("SIGINT")

  await program.prints("program: waiting for program, beside 3 other threads: pause.ts, pause.ts, pause.ts ")
})

it("Main.run with progress none prints nothing", async () => {
  const program = run("slowly", { progress: "none" })
  await program.prints("ready")
  program.kill("SIGINT")

  expect(await program.ended).toMatchObject({ code: 130, err: "" })
})

/** Signals of one kind count once within 100 ms, by the clock of the program. */
const afterPause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 150))
