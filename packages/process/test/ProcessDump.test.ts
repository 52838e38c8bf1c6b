import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { setImmediate } from "node:timers/promises"
import { ProcessDump } from "@quiesce/process"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { afterEach, describe, expect, it } from "vitest"
import * as Listening from "../src/internal/eyes/listening.ts"
import { fixture, observe, type Running, start } from "./support.ts"

const command = join(import.meta.dirname, "../src/internal/eyes/quiesce.ts")

const quiesce = (...args: ReadonlyArray<string>) =>
  observe(
    spawn(process.execPath, [command, ...args], { env: { ...process.env, NODE_NO_WARNINGS: "1", NO_COLOR: "1" } })
  ).ended

const running = new Set<ChildProcess>()

/** Only SIGKILL ends a busy process. */
afterEach(() => {
  for (const child of running) child.kill("SIGKILL")
  running.clear()
})

const kept = async (program: Running): Promise<number> => {
  running.add(program.child)
  await program.prints("ready")
  return program.child.pid!
}

const fixtureWith = (name: string, ...flags: ReadonlyArray<string>): Running =>
  observe(
    spawn(process.execPath, [...flags, fixture("eyes"), name], { env: { ...process.env, NODE_NO_WARNINGS: "1" } })
  )

/** Processes of other tests may use the default port of the inspector. 0 lets the system choose one. */
const ownPort = "--inspect-port=0"

it.runIf(process.platform === "linux")("ProcessDump.of refuses its own process", async () => {
  const error = await Effect.runPromise(Effect.flip(ProcessDump.of(process.pid)))

  expect(error.reason).toMatchObject({ _tag: "NotVisible", pid: process.pid })
  expect(error.message).toContain("it is this process")
})

describe.runIf(process.platform === "linux")("quiesce ps", () => {
  it("prints the threads of a waiting program, and does not change the program", async () => {
    const program = fixtureWith("waits", ownPort)
    const pid = await kept(program)
    for (let times = 0; times < 2; times++) {
      const { code, err, out } = await quiesce("ps", `${pid}`)
      expect({ code, err }).toEqual({ code: 0, err: "" })
      expect(out).toMatch(new RegExp(`eyes\\.ts waits \\(pid ${pid}, Node v\\d+`))
      expect(out).toMatch(/waiter #\d+ running, \d+ ms\n *- folder, held for \d+ ms/)
    }
    program.kill("SIGTERM")
    expect(await program.ended).toMatchObject({ code: 143, out: "ready\n" })
  })

  it("prints the threads and the stack of a program whose main thread is busy", async () => {
    const pid = await kept(fixtureWith("busy", ownPort))
    const { code, out } = await quiesce("ps", `${pid}`)
    expect(code).toBe(0)
    expect(out).toContain("spinHere")
    expect(out).toMatch(/program #\d+ running/)
    expect(out).toMatch(/child #\d+ running/)
    expect(out).toContain("- folder, held for")
  })

  it("prints the stack of a busy process without Quiesce, and reports that Quiesce is missing", async () => {
    const pid = await kept(fixtureWith("foreign", ownPort))
    const { code, out } = await quiesce("ps", `${pid}`)
    expect(code).toBe(0)
    expect(out).toContain("spinHere")
    expect(out).toContain("No thread of Quiesce is exposed there")
  })

  it("prints the stack of a busy worker beside the idle main thread, as JSON that the Schema decodes", async () => {
    const pid = await kept(fixtureWith("worker", ownPort))
    const { code, out } = await quiesce("ps", `${pid}`, "--json")
    expect(code).toBe(0)
    const dump = Schema.decodeUnknownSync(ProcessDump.ProcessDumpSchema)(JSON.parse(out))
    expect(dump).toMatchObject({
      pid,
      main: { name: "main" },
      workers: [{ stack: expect.stringContaining("spinThere") }]
    })
    expect(dump.main.stack).toBeUndefined()
    expect(ProcessDump.render(dump)).toContain("main: idle")
    const alone = await quiesce("ps", `${pid}`, "--json", "--no-workers")
    expect(JSON.parse(alone.out)).toMatchObject({ workers: [] })
  })

  it("prints the requested one of two processes", async () => {
    const first = await kept(fixtureWith("waits", ownPort))
    const second = await kept(fixtureWith("foreign", ownPort))
    const [one, other] = await Promise.all([quiesce("ps", `${first}`), quiesce("ps", `${second}`)])
    expect(one.out).toContain("waiter #")
    expect(other.out).toContain("spinHere")
  })

  // The system chooses the port, so a second look finds no inspector if the first has left one open.
  it.each([1, 3, 10, 30, 100])("closes the inspector of a look that was interrupted after %d turns", async (turns) => {
    const pid = await kept(fixtureWith("waits", ownPort))
    const looking = Effect.runFork(ProcessDump.of(pid))
    for (let turn = 0; turn < turns; turn++) await setImmediate()
    await Effect.runPromise(Fiber.interrupt(looking))
    expect(Listening.of(pid)).toEqual([])
    expect((await quiesce("ps", `${pid}`)).out).toContain("waiter #")
  })

  it("closes the inspector when the command receives a signal", async () => {
    const program = fixtureWith("waits", ownPort)
    const pid = await kept(program)
    const opened = once(program.child.stderr!, "data")
    const looking = observe(spawn(process.execPath, [command, "ps", `${pid}`]))
    await opened
    looking.kill("SIGINT")
    expect([0, 130]).toContain((await looking.ended).code)
    expect(Listening.of(pid)).toEqual([])
    expect((await quiesce("ps", `${pid}`)).out).toContain("waiter #")
  })

  it("uses an open inspector, and keeps it open", async () => {
    const free = await freePort()
    const program = fixtureWith("waits", `--inspect=127.0.0.1:${free}`)
    const pid = await kept(program)
    expect((await quiesce("ps", `${pid}`)).out).toContain("waiter #")
    expect((await fetch(`http://127.0.0.1:${free}/json/list`)).ok).toBe(true)
    program.kill("SIGTERM")
    expect((await program.ended).code).toBe(143)
  })

  it("sends no signal to a process that does not run Node, and refuses other processes", async () => {
    const child = spawn("sleep", ["60"])
    running.add(child)
    const { code, err } = await quiesce("ps", `${child.pid}`)
    expect(code).toBe(1)
    expect(err).toContain("it does not run Node")
    expect(child.exitCode ?? child.signalCode).toBeNull()
    child.kill()
    await once(child, "exit")
    expect((await quiesce("ps", `${child.pid}`)).err).toContain("there is no such process")
  })

  it("refuses a process that SIGUSR1 would end", async () => {
    const program = observe(
      spawn("sh", [
        "-c",
        `trap '' USR1; exec "$0" "$@"`,
        process.execPath,
        "--disable-sigusr1",
        fixture("eyes"),
        "waits"
      ])
    )
    // Node 22.19 and 24 have the option.
    const pid = await kept(program)
    const { code, err } = await quiesce("ps", `${pid}`)
    expect(code).toBe(1)
    expect(err).toContain("it does not handle SIGUSR1, which would end it")
    program.kill("SIGTERM")
    await program.ended
  })

  it("reports why a process that handles SIGUSR1 itself opens no inspector", async () => {
    const program = start("eyes", { args: ["handlesSignal"] })
    const pid = await kept(program)
    const { code, err } = await quiesce("ps", `${pid}`)
    expect(code).toBe(1)
    expect(err).toContain("it has not opened its inspector within 3000 ms")
    expect(err).toContain("the program handles SIGUSR1 itself")
  })

  it("lists the processes of the user", async () => {
    const program = start("eyes", { args: ["waits"] })
    const pid = await kept(program)
    expect((await quiesce("ps")).out).toMatch(new RegExp(`^ *${pid} .*eyes\\.ts waits$`, "m"))
    const json: unknown = JSON.parse((await quiesce("ps", "--json")).out)
    expect(json).toContainEqual({ pid, command: [process.execPath, fixture("eyes"), "waits"] })
  })
})

describe("quiesce", () => {
  it.each([
    [["ps", "x"], `"x" is no number of a process`],
    [["ps", "-1"], "Unknown option '-1'"],
    [["ps", "1", "2"], `"2" is one argument too many`],
    [["top"], `"top" is no command`],
    [["ps", "--nothing"], "Unknown option '--nothing'"]
  ])("refuses %j", async (args, problem) => {
    const { code, err } = await quiesce(...args)
    expect(code).toBe(2)
    expect(err).toContain(problem)
    expect(err).toContain("Usage:")
  })

  it("without arguments prints its usage", async () => {
    expect(await quiesce()).toMatchObject({ code: 0, out: expect.stringContaining("quiesce ps PID") })
  })

  it("ProcessDump.of fails with NotVisible for a process that does not exist", async () => {
    const error = await Effect.runPromise(Effect.flip(ProcessDump.of(2 ** 31 - 1)))
    expect(error.reason._tag).toBe("NotVisible")
  })
})

const freePort = async (): Promise<number> => {
  const { createServer } = await import("node:net")
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  return typeof address === "object" && address !== null ? address.port : 0
}
