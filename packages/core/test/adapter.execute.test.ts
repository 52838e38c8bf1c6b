import { describe, expect, it } from "@effect/vitest"
import { CancelReason, ForcedEnd, ShutdownReport, Thread, ThreadDump } from "@quiesce/core"
import * as ThreadAdapter from "@quiesce/core/adapter"
import { Cause, Context, Effect, Exit, Fiber, Logger, Option, References } from "effect"
import { TestClock } from "effect/testing"
import { messages, settle } from "./support.ts"

/** The entries of a logger, and the effect with that logger. */
const logger = () => {
  const entries: Array<{ readonly level: string; readonly text: string; readonly thread: unknown }> = []
  const collecting = Logger.make(({ fiber, logLevel, message }) => {
    const thread = fiber.getRef(References.CurrentLogAnnotations)["thread.name"]
    entries.push({ level: logLevel, text: String(message), thread })
  })
  return { entries, logged: Effect.provide(Logger.layer([collecting])) }
}

const now = { startImmediately: true } as const

/** The controls of a remote thread that reacts to an interrupt only. */
const controls = (onInterrupt: (reason: CancelReason.CancelReason) => void = () => {}): ThreadAdapter.Controls => ({
  requestStop: () => Effect.void,
  requestInterrupt: (reason) => Effect.sync(() => onInterrupt(reason)),
  raise: () => Effect.succeed(false),
  unwind: Option.none(),
  kill: Option.none(),
  locate: Effect.succeedNone
})

describe("ThreadAdapter.spawn", () => {
  it.effect("of a thread that ends before it was a child does not affect the other children", () =>
    Effect.gen(function* () {
      let released = 0
      const sibling = Effect.ensuring(
        Effect.never,
        Effect.sync(() => released++)
      )
      const parent = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* Thread.spawn(sibling, now)
          yield* Thread.spawn(sibling, now)
          const early = yield* ThreadAdapter.spawn<number, never, never, never>((cell) => {
            cell.settle(Exit.succeed(1))
            return Effect.succeed(controls())
          })
          return yield* Thread.join(early)
        })
      )
      expect(yield* Thread.join(parent)).toBe(1)
      expect(released).toBe(2)
    })
  )
})

describe("a thread that waits for a free worker", () => {
  /** A queued thread, and a function that starts the thread. */
  const spawnQueued = Effect.gen(function* () {
    const place = { hasStarted: false }
    const thread = yield* ThreadAdapter.spawn<number, never, never, never>((cell) =>
      Effect.succeed(
        Object.defineProperty(
          controls((reason) => cell.settle(Exit.failCause(CancelReason.toCause(reason)))),
          "hasStarted",
          { get: () => place.hasStarted }
        )
      )
    )
    return { thread, place }
  })

  it.effect("is queued in Thread.status and in the dump until it starts", () =>
    Effect.gen(function* () {
      const { thread, place } = yield* spawnQueued
      expect(yield* Thread.status(thread)).toEqual({ _tag: "Queued" })
      const dumped = yield* ThreadDump.of(thread)
      expect(dumped).toMatchObject({ status: "queued", rung: null })
      expect(ThreadDump.render({ at: 0, leases: [], threads: [dumped] })).toContain(" queued, 0 ms")
      place.hasStarted = true
      expect(yield* Thread.status(thread)).toEqual({ _tag: "Running" })
      expect(yield* ThreadDump.of(thread)).toMatchObject({ status: "running", rung: null })
    })
  )

  it.effect("is reported as never started if it is interrupted there, and otherwise as interrupted", () =>
    Effect.gen(function* () {
      const waiting = yield* spawnQueued
      const report = yield* Thread.shutdown(waiting.thread, { escalation: { interrupt: "1 second" } })
      expect(report).toMatchObject({ rung: "interrupt", ending: { _tag: "NeverStarted", reason: report.reason } })
      expect(ShutdownReport.render(report)).toContain("ended on interrupt after 0 ms (never started;")
      const started = yield* spawnQueued
      started.place.hasStarted = true
      const { ending } = yield* Thread.shutdown(started.thread, { escalation: { interrupt: "1 second" } })
      expect(ending._tag).toBe("Interrupted")
    })
  )

  it.effect("is no longer queued when it was asked to stop", () =>
    Effect.gen(function* () {
      const { thread } = yield* spawnQueued
      yield* Thread.stop(thread, { reason: CancelReason.stopped({ message: "enough" }) })
      expect((yield* Thread.status(thread))._tag).toBe("Stopping")
      expect(yield* ThreadDump.of(thread)).toMatchObject({ status: "stopping" })
    })
  )
})

/** Ends a call by force, after two requests. Returns the log. */
const endByForce = (kill: "killable" | "not killable") =>
  Effect.gen(function* () {
    const { entries, logged } = logger()
    let call: ThreadAdapter.RemoteThread<never, string> | undefined
    const fiber = yield* ThreadAdapter.execute<never, string>((cell) => deaf((call = cell), kill), options).pipe(
      logged,
      Effect.forkChild(now)
    )
    yield* Effect.forkChild(call!.end(CancelReason.interrupted({ message: "enough" })), now)
    yield* Effect.forkChild(Fiber.interrupt(fiber), now)
    yield* TestClock.adjust("1 second")
    yield* Fiber.await(fiber)
    yield* settle
    return entries
  })

const options = { name: "Call", escalation: { interrupt: "1 milli", kill: "1 milli" } } as const

/** The controls of a call that only ends by force. Its cell is settled with the exit. */
const deaf = (
  cell: ThreadAdapter.RemoteThread<never, string>,
  kill: "killable" | "not killable",
  exit: (reason: CancelReason.CancelReason) => Cause.Cause<string> = CancelReason.toCause
): ThreadAdapter.Controls => {
  const killed = (reason: CancelReason.CancelReason) =>
    Effect.sync(() => cell.settle(Exit.failCause(ForcedEnd.annotate(exit(reason), ForcedEnd.killed("Call", [])))))
  return { ...controls(), kill: kill === "killable" ? Option.some(killed) : Option.none() }
}

/** Spawns a call that only ends by force. Returns the call for its host, and its thread. */
const spawnDeaf = (
  kill: "killable" | "not killable",
  exit?: (reason: CancelReason.CancelReason) => Cause.Cause<string>
) =>
  Effect.gen(function* () {
    let call: ThreadAdapter.RemoteThread<never, string> | undefined
    const thread = yield* ThreadAdapter.spawn<never, string, never, never>(
      (cell) => Effect.succeed(deaf((call = cell), kill, exit)),
      options
    )
    return { call: call!, thread }
  })

describe("ThreadAdapter.execute", () => {
  it.effect("returns the value, at once or later", () =>
    Effect.gen(function* () {
      const atOnce = ThreadAdapter.execute<number, never>((cell) => {
        cell.settle(Exit.succeed(1))
        return controls()
      })
      const later = ThreadAdapter.execute<number, string>((cell) => {
        queueMicrotask(() => cell.settle(Exit.fail("no")))
        return controls()
      })
      expect(yield* atOnce).toBe(1)
      expect(yield* Effect.flip(later)).toBe("no")
    })
  )

  it.effect("interrupts the thread for the same reason and waits for its end when it is interrupted", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      let end: (() => void) | undefined
      const fiber = yield* Effect.forkChild(
        ThreadAdapter.execute<never, never>((cell) => {
          end = () => cell.settle(Exit.interrupt())
          return controls((reason) => heard.push(reason.message))
        }),
        now
      )
      yield* Effect.sync(() =>
        fiber.interruptUnsafe(undefined, CancelReason.toAnnotations(CancelReason.interrupted({ message: "enough" })))
      )
      yield* settle
      expect([heard, fiber.pollUnsafe()]).toEqual([["enough"], undefined])
      end?.()
      expect(messages(yield* Fiber.await(fiber))).toEqual(["enough"])
    })
  )

  it.effect("includes the failure of the thread's cleanup in its Cause when it is interrupted", () =>
    Effect.gen(function* () {
      const failure = new Error("the release failed")
      const fiber = yield* Effect.forkChild(
        ThreadAdapter.execute<never, never>((cell) =>
          controls((reason) =>
            cell.settle(Exit.failCause(Cause.combine(CancelReason.toCause(reason), Cause.die(failure))))
          )
        ),
        now
      )
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      const reasons = Exit.isFailure(exit) ? exit.cause.reasons : []
      expect(reasons.map((reason) => (Cause.isDieReason(reason) ? reason.defect : reason._tag))).toEqual([
        "Interrupt",
        failure
      ])
    })
  )

  it.effect("logs once that an interrupted call was killed, because no report lists that", () =>
    Effect.gen(function* () {
      const text =
        'Thread "Call" did not end in time when it was asked to, and was killed. The reason of the request: enough'
      expect(yield* endByForce("killable")).toEqual([{ level: "Error", text, thread: "Call" }])
    })
  )

  it.effect("logs once that an interrupted call was abandoned, because no report lists that", () =>
    Effect.gen(function* () {
      const text =
        'Thread "Call" did not end in time when it was asked to, and was abandoned; it may still run. The reason of the request: enough'
      expect(yield* endByForce("not killable")).toEqual([{ level: "Error", text, thread: "Call" }])
    })
  )

  it.effect("logs nothing for a call that its host ends if a shutdown reports the kill, before or after the host", () =>
    Effect.gen(function* () {
      const { entries, logged } = logger()
      for (const isHostFirst of [true, false]) {
        const { call, thread } = yield* logged(spawnDeaf("killable"))
        const ends = Effect.forkChild(call.end(CancelReason.interrupted({ message: "enough" })), now)
        if (isHostFirst) yield* ends
        const shutdown = yield* Effect.forkChild(Thread.shutdown(thread, options), now)
        if (!isHostFirst) yield* ends
        yield* TestClock.adjust("1 second")
        expect((yield* Fiber.join(shutdown)).ending._tag).toBe("Killed")
      }
      yield* settle
      expect(entries).toEqual([])
    }).pipe(Effect.scoped)
  )

  it.effect(
    "logs nothing for a call that its host ends again if a shutdown has reported that the call was abandoned",
    () =>
      Effect.gen(function* () {
        const { entries, logged } = logger()
        const { call, thread } = yield* logged(spawnDeaf("not killable"))
        const shutdown = yield* Effect.forkChild(Thread.shutdown(thread, options), now)
        yield* TestClock.adjust("1 second")
        expect((yield* Fiber.join(shutdown)).ending._tag).toBe("Abandoned")
        yield* call.end(CancelReason.interrupted({ message: "enough" }))
        yield* settle
        expect(entries).toEqual([])
      }).pipe(Effect.scoped)
  )

  it.effect(
    "has no other failure in the Cause of an interrupted and abandoned call, for any exit that its adapter makes",
    () =>
      Effect.gen(function* () {
        const fiber = yield* ThreadAdapter.execute<never, string>(
          () => ({ ...controls(), exitWhenAbandoned: () => Exit.fail("too late") }),
          { escalation: { interrupt: "1 milli" } }
        ).pipe(Effect.provideService(References.UnhandledLogLevel, undefined), Effect.forkChild(now))
        yield* Effect.forkChild(Fiber.interrupt(fiber), now)
        yield* TestClock.adjust("1 second")
        const exit = yield* Fiber.await(fiber)
        expect(Exit.isFailure(exit) && exit.cause.reasons.map(({ _tag }) => _tag)).toEqual(["Interrupt"])
      })
  )

  it.effect("has the exit that the adapter makes of the given one for an abandoned call", () =>
    Effect.gen(function* () {
      const given: Array<Exit.Exit<never, never>> = []
      const exitWhenAbandoned = (exit: Exit.Exit<never, never>) => {
        given.push(exit)
        return Exit.fail("too late")
      }
      let call: ThreadAdapter.RemoteThread<never, string> | undefined
      const fiber = yield* ThreadAdapter.execute<never, string>(
        (cell) => {
          call = cell
          return { ...controls(), exitWhenAbandoned }
        },
        { escalation: { interrupt: "1 milli" } }
      ).pipe(Effect.forkChild(now))
      yield* Effect.forkChild(call!.end(CancelReason.interrupted({ message: "enough" })), now)
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.await(fiber)).toEqual(Exit.fail("too late"))
      expect(given.map(messages)).toEqual([["enough"]])
    })
  )

  it.effect("ends with the surrounding thread", () =>
    Effect.gen(function* () {
      const parent = yield* Thread.spawn(
        ThreadAdapter.execute<never, never>((cell) => controls(() => cell.settle(Exit.interrupt()))),
        now
      )
      yield* Thread.interrupt(parent, { reason: CancelReason.interrupted({ message: "enough" }) })
      expect(messages(yield* Thread.await(parent))).toEqual(["enough"])
    })
  )
})

describe("a thread that has failed because it was killed", () => {
  it.effect("is reported as killed, with the reason of the request", () =>
    Effect.gen(function* () {
      const { thread } = yield* spawnDeaf("killable", () => Cause.fail("too late"))
      const shutdown = yield* Effect.forkChild(Thread.shutdown(thread, options), now)
      yield* TestClock.adjust("1 second")
      const { ending, reason } = yield* Fiber.join(shutdown)
      expect(ending).toEqual({ _tag: "Killed", reason })
    }).pipe(Effect.scoped)
  )
})

describe("ThreadAdapter.reportingCleanup", () => {
  it.effect("logs once that the closing scope has killed the thread", () =>
    Effect.gen(function* () {
      const { entries, logged } = logger()
      const started = ThreadAdapter.reportingCleanup(spawnDeaf("killable"), ({ thread }) => thread, Effect.die)
      const waiting = Effect.scoped(Effect.flatMap(started, ({ thread }) => Thread.join(thread)))
      const fiber = yield* waiting.pipe(logged, Effect.forkChild(now))
      yield* Effect.forkChild(Fiber.interrupt(fiber), now)
      yield* TestClock.adjust("1 second")
      yield* Fiber.await(fiber)
      yield* settle
      expect(entries).toEqual([{ level: "Error", text: expect.stringContaining("was killed"), thread: "Call" }])
    })
  )
})

describe("ThreadAdapter.spawnBelow", () => {
  it.effect("runs a child at once until its parent ends, and starts nothing below an ended parent", () =>
    Effect.gen(function* () {
      let released = false
      const parent = yield* Thread.spawn(Effect.never, now)
      const spawn = ThreadAdapter.spawnBelow(parent, Context.empty())
      const body = Effect.ensuring(
        Effect.never,
        Effect.sync(() => (released = true))
      )
      const child = spawn(() => body, Context.empty(), "child")
      expect([child.name, child.parent]).toEqual(["child", parent])
      yield* Thread.interrupt(parent)
      expect([released, yield* Thread.isAlive(child)]).toEqual([true, false])
      const late = spawn(() => body, Context.empty(), "late")
      expect([yield* Thread.isAlive(late), late.reason?._tag]).toEqual([false, "Interrupted"])
    })
  )
})
