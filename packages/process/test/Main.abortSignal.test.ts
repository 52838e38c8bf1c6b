import { describe, expect, it } from "vitest"
import { endTwice, start } from "./support.ts"

it("Main.abortSignal aborts with a Shutdown that names the signal, sets the exit code, and leaves no listener after its dispose", async () => {
  const program = start("abortSignal")
  await program.prints("ready")
  program.kill("SIGTERM")
  const { code, err, out } = await program.ended

  expect(err).toBe("")
  expect(code).toBe(143)
  expect(out).toContain('"_tag":"Shutdown"')
  expect(out).toContain('"signal":"SIGTERM"')
  expect(out).toContain("listeners: 0")
})

it("Main.abortSignal prints a message at the second signal, and ends the process at the third", async () => {
  const program = start("abortSignal", { args: ["{}", "hangs"] })
  await program.prints("ready")
  program.kill("SIGINT")
  await program.prints("aborted")
  program.kill("SIGTERM")
  await program.prints("SIGTERM again. A third one ends the process at once.")
  program.kill("SIGINT")

  expect(await program.ended).toMatchObject({ code: null, signal: "SIGINT" })
})

it("Main.abortSignal with onSecondSignal exit ends the process at the second signal", async () => {
  const program = start("abortSignal", { args: ['{"onSecondSignal":"exit"}', "hangs"] })
  await program.prints("ready")
  program.kill("SIGINT")
  await program.prints("aborted")
  program.kill("SIGTERM")

  expect(await program.ended).toMatchObject({ code: null, signal: "SIGTERM" })
})

describe.skipIf(process.platform === "win32")("a worker in native code", () => {
  it("does not hold up the exit, which has its code and runs all listeners", async () => {
    const program = start("abortSignal", { args: ["{}", "blocksExit"] })
    await program.prints("ready")
    await program.prints("in native code")
    program.kill("SIGTERM")
    const { code, err, out, signal } = await program.ended

    expect({ code, signal }).toEqual({ code: 7, signal: null })
    expect(err).toContain("exiting")
    expect(out.split("a late listener")).toHaveLength(2)
  })

  it("holds up the exit if Node has to write a file then, and a further signal ends the process", async () => {
    const end = await endTwice((env) => start("abortSignal", { args: ["{}", "blocksExit"], env }))

    expect(end).toMatchObject({ code: null, signal: "SIGTERM" })
  })
})
