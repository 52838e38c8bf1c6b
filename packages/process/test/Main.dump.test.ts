import { expect, it } from "vitest"
import { start } from "./support.ts"

it("Main.run prints the threads of the process at SIGUSR2, and continues", async () => {
  const program = start("eyes", { args: ["waits"] })
  await program.prints("ready")
  program.kill("SIGUSR2")
  await program.prints("- folder, held for")
  program.kill("SIGTERM")
  const { code, err } = await program.ended

  expect(code).toBe(143)
  expect(err).toMatch(/^waiter: SIGUSR2, the threads of this process:\nwaiter #\d+ running, \d+ ms\n/)
})

it("Main.run with dumpSignal none leaves SIGUSR2 to its default", async () => {
  const program = start("signals", { args: ["waits", JSON.stringify({ dumpSignal: "none" })] })
  await program.prints("ready")
  program.kill("SIGUSR2")

  expect(await program.ended).toMatchObject({ code: null, signal: "SIGUSR2" })
})

it("Main.run ends at SIGUSR2 if that is one of its signals", async () => {
  const program = start("signals", { args: ["waits", JSON.stringify({ signals: ["SIGUSR2"] })] })
  await program.prints("ready")
  program.kill("SIGUSR2")

  expect(await program.ended).toMatchObject({ code: 140, err: "" })
})

it("Main.run prints the stack and the inside of a busy worker at SIGUSR2", async () => {
  const program = start("workers", { args: ["spins", "{}"] })
  await program.prints("spinning")
  // A worker that has just begun does not yet count as busy.
  do {
    program.kill("SIGUSR2")
    await program.prints("SIGUSR2, the threads of this process:")
  } while (!program.output.err.includes("spinForever"))
  program.kill("SIGKILL")
  const { err } = await program.ended

  expect(err).toMatch(/Spin #\d+ running on worker \d+/)
})

it("Main.run names the handles that keep the process alive after the program has ended", async () => {
  const program = start("eyes", { args: ["holds"] })
  await program.prints("program: has ended, but the process is still alive after 0.3 s, because of TCPServerWrap.")
  await program.prints("QUIESCE_PLACES=1")
  program.kill("SIGTERM")

  expect((await program.ended).code).toBe(0)
})

it("Main.run names the workers that keep the process alive after the program has ended", async () => {
  const program = start("eyes", { args: ["holdsWorker"] })
  await program.prints("program: has ended, but the process is still alive after 0.3 s, because of 2 Worker.")
  program.kill("SIGTERM")

  expect((await program.ended).code).toBe(0)
})

it("Main.run with QUIESCE_PLACES prints the places where the workers were made", async () => {
  const program = start("eyes", { args: ["holdsWorker"], command: ["env", "QUIESCE_PLACES=1"] })
  await program.prints("- WORKER, made at ")
  program.kill("SIGTERM")

  expect((await program.ended).err).toMatch(/WORKER, made at .*eyes\.ts:\d+:\d+/)
})

it("Main.run with QUIESCE_PLACES prints the places where the handles were made", async () => {
  const program = start("eyes", { args: ["holds"], command: ["env", "QUIESCE_PLACES=1"] })
  await program.prints("- TCPSERVERWRAP, made at ")
  program.kill("SIGTERM")

  expect((await program.ended).err).toMatch(/TCPSERVERWRAP, made at .*eyes\.ts:\d+:\d+/)
})

it("Main.run with QUIESCE_PLACES prints the places where the leases of a dump were acquired", async () => {
  const program = start("signals", { args: ["hangs", "{}"], command: ["env", "QUIESCE_PLACES=1"] })
  await program.prints("ready")
  program.kill("SIGUSR2")
  await program.prints("- folder, held for")
  program.kill("SIGKILL")

  expect((await program.ended).err).toMatch(/- folder, held for \d+ ms, acquired at .*signals\.ts:\d+:\d+/)
})
