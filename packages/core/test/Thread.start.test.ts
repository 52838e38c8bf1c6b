import { AsyncLocalStorage } from "node:async_hooks"
import { describe, expect, it } from "@effect/vitest"
import { CancelReason, Thread, ThreadGroup } from "@quiesce/core"
import { Cause, Effect, Exit, Latch, type References, Scheduler } from "effect"
import { settle } from "./support.ts"

const why = CancelReason.interrupted({ message: "why" })

/** The fiber, the reasons and the stack frames of an interruption. */
const interruptions = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<unknown> =>
  Exit.isFailure(exit)
    ? exit.cause.reasons.filter(Cause.isInterruptReason).map(({ annotations, fiberId }) => ({
        fiberId,
        reason: CancelReason.firstOfCause(exit.cause),
        frames: [Cause.StackTrace.key, Cause.InterruptorStackTrace.key].map(
          (key) => (annotations.get(key) as References.StackFrame | undefined)?.name
        )
      }))
    : []

/** The interruption of a thread that has begun and of a thread that has not, both interrupted by this fiber. */
const both = Effect.gen(function* () {
  const begun = yield* Thread.spawn(Effect.never, { startImmediately: true })
  const waiting = yield* Thread.spawn(Effect.never)
  const reason = { ...why, by: "main", at: 1 }
  yield* Thread.interrupt(begun, { reason })
  yield* Thread.interrupt(waiting, { reason })
  return [interruptions(yield* Thread.await(begun)), interruptions(yield* Thread.await(waiting))] as const
}).pipe(Effect.scoped)

describe("a thread that has not begun", () => {
  it.effect("begins in the order of the forks around it", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const group = yield* ThreadGroup.make({ policy: "isolate" })
      const note = (name: string) => Effect.sync(() => log.push(name))
      yield* Effect.forkChild(note("fiber 1"))
      yield* Thread.spawn(note("thread 1"))
      yield* Effect.forkChild(note("fiber 2"))
      yield* ThreadGroup.spawn(group, note("thread 2"))
      yield* Effect.forkChild(note("fiber 3"))
      expect(log).toEqual([])
      yield* settle
      expect(log).toEqual(["fiber 1", "thread 1", "fiber 2", "thread 2", "fiber 3"])
    })
  )

  it.effect("begins in the async context of its spawn, also if other threads wait to begin", () =>
    Effect.gen(function* () {
      const storage = new AsyncLocalStorage<string>()
      const seen: Array<string | undefined> = []
      const read = Effect.sync(() => seen.push(storage.getStore()))
      const gate = yield* Latch.make()
      const spawned = Effect.runPromise(
        Effect.scoped(
          Effect.gen(function* () {
            const threads: Array<Thread.Thread<unknown>> = []
            for (const name of ["a", "b"]) {
              yield* Effect.sync(() => storage.enterWith(name))
              threads.push(yield* Thread.spawn(Effect.andThen(read, Effect.andThen(Latch.await(gate), read))))
            }
            yield* Effect.sync(() => storage.enterWith("last"))
            yield* Effect.yieldNow
            yield* Latch.open(gate)
            yield* Thread.joinAll(threads)
          })
        )
      )
      yield* Effect.promise(() => spawned)
      expect(seen).toEqual(["a", "b", "a", "b"])
    })
  )

  it.effect("ends in the step of its interrupt, with the same interruption as a thread that has begun", () =>
    Effect.gen(function* () {
      const [begun, waiting] = yield* both
      expect(waiting).toEqual(begun)
      expect(waiting).toMatchObject([{ fiberId: expect.any(Number), reason: { message: "why" } }])
    })
  )

  it.effect("has the frame of a traced function in its interruption, like a thread that has begun", () =>
    Effect.gen(function* () {
      const [begun, waiting] = yield* Effect.fn("traced")(() => both)()
      expect(waiting).toEqual(begun)
      expect(waiting).toMatchObject([{ frames: ["traced", expect.stringContaining("why")] }])
    })
  )

  it.effect("never begins after its interrupt, and runs nothing of its body", () =>
    Effect.gen(function* () {
      let ran = 0
      const thread = yield* Thread.spawn(Effect.sync(() => ran++))
      yield* Thread.interruptFork(thread, { reason: why })
      expect((yield* Thread.status(thread))._tag).toBe("Done")
      yield* settle
      expect(ran).toBe(0)
    })
  )

  it.effect("begins and ends if each fiber yields after every third step", () =>
    Effect.gen(function* () {
      const ended = yield* Thread.spawn(Effect.succeed("ended"), { startImmediately: true })
      const later = yield* Thread.spawn(Effect.succeed("later"))
      const interrupted = yield* Thread.spawn(Effect.never, { startImmediately: true })
      yield* Thread.interruptFork(interrupted, { reason: why })
      expect(yield* Thread.join(ended)).toBe("ended")
      expect(yield* Thread.join(later)).toBe("later")
      expect(interruptions(yield* Thread.await(interrupted))).toMatchObject([{ reason: { message: "why" } }])
    }).pipe(Effect.scoped, Effect.provideService(Scheduler.MaxOpsBeforeYield, 3))
  )
})
