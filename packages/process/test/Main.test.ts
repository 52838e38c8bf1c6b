import { expect, it } from "vitest"
import { start } from "./support.ts"

it.each([
  ["success", 0, "done\ncleaned\n"],
  ["coded", 42, ""],
  ["quiet", 1, ""],
  ["interrupted", 130, ""],
  ["teardown", 7, ""],
  ["badTeardown", 1, ""]
])("Main.run of a program that ends by itself: %s has the code %i", async (name, code, out) => {
  const ended = await start("ends", { args: [name] }).ended

  expect(ended).toMatchObject({ code, signal: null })
  expect(ended.out).toContain(out)
})

it("Main.run prints nothing of its own", async () => {
  expect(await start("ends", { args: ["success"] }).ended).toEqual({
    code: 0,
    signal: null,
    out: "done\ncleaned\n",
    err: ""
  })
})

it.each([
  ["failure", /Fail|no/],
  ["defect", /broken/]
])("Main.run reports a program that fails at once: %s", async (name, text) => {
  const { code, err, out } = await start("ends", { args: [name] }).ended

  expect(code).toBe(1)
  expect(`${out}${err}`).toMatch(text)
})

it("Main.run without error reporting prints nothing about a failure", async () => {
  expect(await start("ends", { args: ["quiet"] }).ended).toMatchObject({ out: "", err: "" })
})

it("Main.run keeps a process alive without other work, until a signal ends the program", async () => {
  const program = start("ends", { args: ["waiting"] })
  await program.prints("ready")
  program.kill("SIGTERM")

  expect(await program.ended).toEqual({ code: 143, signal: null, out: "ready\ncleaned\n", err: "" })
})

it("Main.run abandons a program whose finalizer hangs after the program has ended by itself", async () => {
  const { code, err } = await start("ends", { args: ["hanging"] }).ended

  expect(code).toBe(1)
  expect(err).toContain("program: given up, because it did not end in time.")
})

it("Main.run of Layer.launch runs an app until a signal, and releases its layers", async () => {
  const program = start("ends", { args: ["launch"] })
  await program.prints("ready")
  program.kill("SIGTERM")

  expect(await program.ended).toEqual({ code: 143, signal: null, out: "ready\ncleaned\n", err: "" })
})

it("Main.run of Layer.launch ends as a failure if a layer fails", async () => {
  const { code, err, out } = await start("ends", { args: ["brokenLaunch"] }).ended

  expect(code).toBe(1)
  expect(out).toContain("cleaned")
  expect(`${out}${err}`).toContain("no port")
})

it("Main.run may run a second program after the end of the first", async () => {
  expect(await start("ends", { args: ["again"] }).ended).toEqual({
    code: 0,
    signal: null,
    out: "first\ncleaned\nsecond\ncleaned\n",
    err: ""
  })
})
