import { expect, it } from "vitest"
import { start } from "./support.ts"

const run = (name: string) => start("broken", { args: [name] }).ended

it.each([
  ["exception", 1, "nobody catches this"],
  ["rejection", 1, "nobody catches this"],
  ["coded", 3, "coded"],
  ["undefined", 1, "Uncaught exception"]
])("Main.run ends at an uncaught error as a failure, and its finalizers run: %s", async (name, code, text) => {
  const { err, out, ...end } = await run(name)

  expect(end).toEqual({ code, signal: null })
  expect(out).toContain("cleaned")
  // The error is reported once.
  expect(`${out}${err}`.split(text)).toHaveLength(2)
})

it.each(["unreadable", "throwing", "unreadableFailure", "throwingFailure"])(
  "Main.run reports an error that throws when it is read, and its finalizers run: %s",
  async (name) => {
    const { code, err, out } = await run(name)

    expect(code).toBe(1)
    expect(out).toContain("cleaned")
    expect(`${out}${err}`).toContain("ERROR")
  }
)

it("Main.run also reports an error that occurs during the end", async () => {
  const { code, err, out } = await run("again")

  expect(code).toBe(1)
  expect(out).toContain("cleaned")
  expect(`${out}${err}`).toContain("nobody catches this")
  expect(`${out}${err}`).toContain("again")
})

it("Main.run ends after an uncaught error even if a finalizer hangs", async () => {
  const { code, err, out } = await run("hanging")

  expect(code).toBe(1)
  expect(out).toContain("cleaned")
  expect(err).toContain("given up")
})

it.each([
  ["twice", 'Main.run was called while Main.run of "program" handles the signals of this process'],
  ["promise", "Main.run was given Promise({}) and no Effect"],
  ["missing", "Main.run was given undefined and no Effect"],
  ["optionsFirst", 'Main.run was given {"name":"api"} and no Effect'],
  ["function", "Main.run was given"],
  ["signal", `Main's signals: "SIGFOO" is not a signal. Use names such as "SIGTERM".`],
  ["uncatchable", "Main's signals: no program can handle SIGKILL. Leave it out."],
  ["budget", `Main's budget: it is "-1 second": a time can't be negative.`],
  ["noSignal", "Main's signals: {} is not a signal"],
  ["escalation", "Main's escalation: The escalation can't be climbed: interrupt would never be reached"],
  ["progress", `Main's progress: it is true. Give one of "auto", "lines", "none".`],
  ["abortSignal", "Main.abortSignal was called while"],
  ["abortOption", "Main's signals: it is"]
])("Main.run and Main.abortSignal refuse bad input with a clear error: %s", async (name, text) => {
  const { code, err, out } = await run(name)

  expect(`${out}${err}`).toContain(text)
  expect(code).toBe(1)
})

it("Main.run ends the first program if it is called twice, and the finalizers of that program run", async () => {
  const { out } = await run("twice")

  expect(out).toContain("cleaned")
})

it("A ProcessError that a worker does not catch arrives at the host with its message", async () => {
  const { code, out } = await start("inWorker", { args: ["uncaught"] }).ended

  expect(out).toContain("ProcessError InWorker: Main.run was called in a worker thread, which receives no signals")
  expect(code).toBe(0)
})

it("Main.run refuses a worker thread with a clear error", async () => {
  const { code, out } = await start("inWorker").ended

  expect(out).toContain("Main.run was called in a worker thread, which receives no signals")
  expect(code).toBe(0)
})
