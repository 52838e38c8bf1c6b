import { CancelReason, ForcedEnd, Thread } from "@quiesce/core"
import * as Timeline from "@quiesce/core/Timeline"
import { ProcessError, ProcessThread } from "@quiesce/process"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { describe, expect, it } from "vitest"
import { node, printed, run, shell, showsProcesses, textOf } from "./processSupport.ts"

const isWindows = process.platform === "win32"

/** Prints, then ignores the signals of the ladder. */
const stubborn = shell("trap '' TERM INT; echo ready; while :; do sleep 1; done")

const located: unknown = expect.stringMatching(/at sh \(pid \d+\)/)

describe.skipIf(isWindows)("ProcessThread.spawn", () => {
  it("has the code of a process as its value, also if the code is not 0", async () => {
    const exit = await run(Effect.flatMap(ProcessThread.spawn(shell("exit 3").command), Thread.join))

    expect(exit).toStrictEqual({ _tag: "Exited", code: 3 })
  })

  it("has the signal that ended a process as its value", async () => {
    const exit = await run(Effect.flatMap(ProcessThread.spawn(shell("kill -USR1 $$").command), Thread.join))

    expect(exit).toStrictEqual({ _tag: "Signaled", signal: "SIGUSR1" })
  })

  it("can be piped, and is a thread with the name of its program", async () => {
    const thread = await run(shell("exit 0").command.pipe(ProcessThread.spawn({ stop: "SIGINT" })))

    expect(Thread.isThread(thread)).toBe(true)
    expect(thread.name).toBe("sh")
    expect(thread.pid).toBeGreaterThan(0)
  })

  it("is a thread with the number of its process in a timeline, and with the process as its lease", async () => {
    const { pid, timeline } = await run(
      Effect.gen(function* () {
        const recording = yield* Timeline.record()
        const { pid } = yield* Effect.tap(ProcessThread.spawn(shell("exit 0").command), Thread.join)
        return { pid, timeline: yield* recording.read }
      })
    )

    expect(timeline.threads).toMatchObject([{ name: "sh", place: `process-${pid}`, end: "Succeeded" }])
    expect(timeline.leases).toMatchObject([{ name: `process sh (pid ${pid})`, result: "released" }])
    expect(timeline.events.map(({ _tag }) => _tag)).toEqual(["Spawned", "Started", "Acquired", "LeaseEnded", "Ended"])
  })

  it("sends the stop signal, and the value is the exit of the process", async () => {
    const asked = shell("trap 'exit 7' USR2; echo ready; while :; do sleep 0.01; done")

    const exit = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(asked.command, { stop: "SIGUSR2" })
        yield* printed(thread)
        yield* Thread.stop(thread)
        return yield* Thread.join(thread)
      })
    )

    expect(exit).toStrictEqual({ _tag: "Exited", code: 7 })
  })

  it("sends the interrupt signal, waits for the process, and ends with the reason", async () => {
    const asked = shell("trap 'exit 0' INT; echo ready; while :; do sleep 0.01; done")

    const exit = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(asked.command, { interrupt: "SIGINT" })
        yield* printed(thread)
        yield* Thread.interrupt(thread, { reason: CancelReason.timedOut(5) })
        return yield* Thread.await(thread)
      })
    )

    expect(Option.getOrThrow(CancelReason.fromExit(exit))._tag).toBe("TimedOut")
    expect(Option.isNone(ForcedEnd.fromExit(exit))).toBe(true)
  })

  it("sends messages with the first reason to a child on Node", async () => {
    const child = node(
      "process.on('message', ({ rung, reason }) => {" +
        "console.log(rung, reason._tag, reason.message); if (rung === 'interrupt') process.exit(0) }); console.log('ready')"
    )

    const text = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(child.command, { stop: "message", interrupt: "message" })
        yield* printed(thread)
        yield* Thread.stop(thread, { reason: CancelReason.stopped({ message: "enough" }) })
        yield* Thread.interrupt(thread)
        return yield* textOf(thread.stdout)
      })
    )

    expect(text).toBe("stop Stopped enough\ninterrupt Stopped enough\n")
  })

  it("closes its scope by the ladder, although the process ignores its signals", async () => {
    const reason = await run(
      Effect.gen(function* () {
        const thread = yield* Effect.scoped(
          Effect.gen(function* () {
            const thread = yield* ProcessThread.spawn(stubborn.command, {
              escalation: { stop: 10, interrupt: 10, kill: "1 minute" }
            })
            yield* printed(thread)
            return thread
          })
        )
        return yield* Thread.await(thread)
      })
    )

    expect(Option.getOrThrow(ForcedEnd.fromExit(reason))._tag).toBe("Killed")
    expect(stubborn.left()).toStrictEqual([])
  })

  it("has a default ladder that ends with kill", async () => {
    const command = ChildProcess.make("sh", ["-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], {
      forceKillAfter: 10
    })

    const exit = await run(
      Effect.gen(function* () {
        const thread = yield* Effect.scoped(Effect.tap(ProcessThread.spawn(command), printed))
        return yield* Thread.await(thread)
      })
    )

    expect(Option.getOrThrow(ForcedEnd.fromExit(exit))._tag).toBe("Killed")
  })

  it("reports the rung that ended the process, and the process as a released lease", async () => {
    const report = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(stubborn.command, { name: "stubborn" })
        yield* printed(thread)
        return yield* Thread.shutdown(thread, { escalation: { interrupt: 10, kill: "1 minute" } })
      })
    )

    expect(report).toMatchObject({ thread: "stubborn", rung: "kill", ending: { _tag: "Killed" }, failed: [], lost: [] })
    expect(report.attempts[0]).toMatchObject({
      _tag: "Outwaited",
      rung: "interrupt",
      stack: showsProcesses ? located : null
    })
    expect(report.released.map(({ lease }) => lease)).toStrictEqual([expect.stringMatching(/^process sh \(pid \d+\)$/)])
  })

  it("is interrupted in place of an unwind, and reports the unwind as not available", async () => {
    const report = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(stubborn.command)
        yield* printed(thread)
        return yield* Thread.shutdown(thread, { escalation: { unwind: 10, kill: "1 minute" } })
      })
    )

    expect(report.attempts).toMatchObject([
      { _tag: "Outwaited", rung: "interrupt" },
      { _tag: "Unavailable", rung: "unwind", why: expect.stringContaining("another process") },
      { _tag: "Ended", rung: "kill" }
    ])
  })

  it("sends one signal for an interrupt after a stop, and none for further reasons", async () => {
    const counting = shell(
      "trap 'echo stop' USR1; trap 'echo interrupt' USR2; echo ready; while :; do sleep 0.01; done"
    )

    const text = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(counting.command, { stop: "SIGUSR1", interrupt: "SIGUSR2" })
        const seen: Array<string> = []
        const reading = yield* Effect.forkChild(
          Stream.runForEach(Stream.splitLines(Stream.decodeText(thread.stdout)), (line) =>
            Effect.suspend(() => {
              seen.push(line)
              if (line === "ready") return Thread.stop(thread)
              if (line === "stop") return Thread.interruptFork(thread, { reason: CancelReason.timedOut(1) })
              if (line !== "interrupt" || seen.filter((each) => each === "interrupt").length > 1) return Effect.void
              return Effect.forkDetach(
                Thread.shutdown(thread, {
                  reason: CancelReason.timedOut(2),
                  escalation: { interrupt: 100, kill: "1 minute" }
                })
              )
            })
          )
        )
        yield* Fiber.await(reading)
        return seen
      })
    )

    expect(text).toStrictEqual(["ready", "stop", "interrupt"])
  })

  it("keeps the exit of a process that has ended before the interrupt", async () => {
    const exit = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(shell("exit 4").command)
        yield* Thread.await(thread)
        yield* Thread.interrupt(thread)
        return yield* Thread.join(thread)
      })
    )

    expect(exit).toStrictEqual({ _tag: "Exited", code: 4 })
  })

  it("starts nothing in a closed scope", async () => {
    const thread = await run(
      Effect.gen(function* () {
        const scope = yield* Effect.scoped(Effect.scope)
        return yield* Effect.provideService(ProcessThread.spawn(shell("sleep 60").command), Scope.Scope, scope)
      })
    )

    expect(thread.pid).toBe(0)
  })

  it("runs the processes of a pipeline, and its value is the exit of the last one", async () => {
    const command = ChildProcess.make("sh", ["-c", "echo one; echo two"]).pipe(
      ChildProcess.pipeTo(ChildProcess.make("sh", ["-c", "cat; exit 5"]))
    )

    const [text, exit] = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(command)
        return [yield* textOf(thread.stdout), yield* Thread.join(thread)] as const
      })
    )

    expect(text).toBe("one\ntwo\n")
    expect(exit).toStrictEqual({ _tag: "Exited", code: 5 })
  })

  it("ends the first process of a pipeline when the last one stops reading", async () => {
    const command = ChildProcess.make("yes").pipe(ChildProcess.pipeTo(ChildProcess.make("head", ["-n", "1"])))

    const exit = await run(
      Effect.flatMap(ProcessThread.spawn(command, { drainWithin: "1 hour" }), (thread) => Thread.join(thread))
    )

    expect(exit).toStrictEqual({ _tag: "Exited", code: 0 })
  })

  it("fails the writes of a process that ignores SIGPIPE when the next one of a pipeline stops reading", async () => {
    const writes = node(
      `console.log(process.pid); process.stdout.on("error", () => {})
      const write = (error) => error ? process.exit() : process.stdout.write("x".repeat(65536), write); write()`
    )
    const stopsReading = shell("read pid; exec <&-; while kill -0 $pid; do sleep 0.05; done; echo ended")
    const command = writes.command.pipe(ChildProcess.pipeTo(stopsReading.command))

    const text = await run(Effect.flatMap(ProcessThread.spawn(command), (thread) => textOf(thread.stdout)))

    expect(text).toBe("ended\n")
  })
})

describe.skipIf(isWindows)("ProcessThread.expectSuccess", () => {
  it("succeeds after the code 0", async () => {
    await run(Effect.flatMap(ProcessThread.spawn(shell("exit 0").command), ProcessThread.expectSuccess))
  })

  it.each([
    ["exit 3", "sh has ended with the code 3."],
    ["kill -TERM $$", "sh was ended by the signal SIGTERM."]
  ])("fails after %s", async (script, message) => {
    const exit = await run(
      Effect.exit(Effect.flatMap(ProcessThread.spawn(shell(script).command), ProcessThread.expectSuccess))
    )

    const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    expect(ProcessError.isProcessError(error) && error.message).toBe(message)
  })
})
