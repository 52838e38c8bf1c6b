import { expect, it } from "vitest"
import { start } from "./support.ts"

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

it.skipIf(process.platform === "win32")(
  "Main.abortSignal ends the process at a further signal while a worker in native code delays its exit",
  async () => {
    const program = start("abortSignal", { args: ["{}", "blocksExit"] })
    await program.prints("ready")
    await program.prints("in native code")
    program.kill("SIGTERM")
    await program.prints("exiting")
    program.kill("SIGTERM")

    expect(await program.ended).toMatchObject({ code: null, signal: "SIGTERM" })
  }
)
