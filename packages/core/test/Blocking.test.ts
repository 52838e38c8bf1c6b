import { describe, expect, it } from "@effect/vitest"
import { Abort, Blocking, CancelReason, Deadline, Thread } from "@quiesce/core"
import { Data, Effect, Exit, Option, Result } from "effect"
import { defectOf, defectTag, messages } from "./support.ts"

class Nudge extends Data.TaggedError("Nudge") {}

const now = { startImmediately: true } as const

describe("Blocking, on a fiber", () => {
  it.effect("runs sections of both kinds to their end and returns their values", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(
        Effect.all([
          Blocking.interruptible((token) => token.stopRequested),
          Blocking.interruptible(() => 1, { grace: "1 second" }),
          Blocking.uninterruptible(() => 2)
        ])
      )
      expect(yield* Thread.join(thread)).toEqual([false, 1, 2])
    })
  )

  it.effect("interrupts with the reason when a check throws, and runs catch and finally on the way", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          const self = yield* Thread.current
          const context = yield* Effect.context()
          yield* Effect.ensuring(
            Blocking.interruptible((token) => {
              try {
                Effect.runSyncWith(context)(
                  Thread.interrupt(self, { reason: CancelReason.interrupted({ message: "why" }) })
                )
                for (;;) token.check()
              } finally {
                log.push("finally")
              }
            }),
            Effect.sync(() => log.push("finalizer"))
          )
        }),
        now
      )
      const exit = yield* Thread.await(thread)
      expect(log).toEqual(["finally", "finalizer"])
      expect(new Set(messages(exit))).toEqual(new Set(["why"]))
    })
  )

  it.effect("makes any other thrown error a defect", () =>
    Effect.gen(function* () {
      const bad = new Error("bad")
      const thread = yield* Thread.spawn(
        Blocking.interruptible(() => {
          throw bad
        })
      )
      expect(yield* Thread.await(thread)).toEqual(Exit.die(bad))
    })
  )

  it.live("refuses a promise, a thenable or an Effect as a result, and names Abort.promise", () =>
    Effect.gen(function* () {
      // oxlint-disable-next-line unicorn/no-thenable -- It is the tested value.
      const thenable = { then: () => {} }
      for (const result of [Promise.resolve(1), thenable, Effect.succeed(1), Effect.void, Effect.never]) {
        for (const run of [Blocking.interruptible, Blocking.uninterruptible]) {
          const section = run<unknown>(() => result)
          for (const each of [section, Deadline.within(section, "1 minute"), Effect.uninterruptible(section)]) {
            const defect = yield* defectOf(each)
            expect(defect).toMatchObject({ _tag: "ThreadError", reason: { _tag: "InvalidSection" } })
            expect(String(defect)).toContain("Abort.promise((signal) => ...)")
          }
        }
      }
    })
  )

  it.effect("accepts values that are no effects or promises, such as an error or a value that can't be read", () =>
    Effect.gen(function* () {
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      // oxlint-disable-next-line unicorn/no-thenable -- It is the tested value.
      for (const result of [new Nudge(), Option.some(1), Result.succeed(1), { then: 1 }, null, () => {}, proxy]) {
        expect((yield* Blocking.interruptible<unknown>(() => result)) === result).toBe(true)
      }
    })
  )

  it.live("handles the rejection of an async section, which would otherwise end the process", () =>
    Effect.gen(function* () {
      const unhandled: Array<unknown> = []
      const listener = (error: unknown) => void unhandled.push(error)
      process.on("unhandledRejection", listener)
      const defect = yield* defectOf(Blocking.interruptible(() => Promise.reject(new Error("later"))))
      expect(defect).toMatchObject({ reason: { _tag: "InvalidSection", given: "a Promise" } })
      // The event comes after the microtasks of this turn.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      process.off("unhandledRejection", listener)
      expect(unhandled).toEqual([])
    })
  )

  it.effect("in an interrupted thread does not begin a section", () =>
    Effect.gen(function* () {
      let ran = false
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* Thread.interrupt(yield* Thread.current)
          yield* Thread.checkpoint
          yield* Blocking.interruptible(() => (ran = true))
        })
      )
      yield* Thread.await(thread)
      expect(ran).toBe(false)
    })
  )

  it.effect("refuses an invalid grace, and runs a section outside any spawned thread", () =>
    Effect.gen(function* () {
      let ran = false
      const section = () => (ran = true)
      expect(yield* defectTag(Blocking.interruptible(section, { grace: -1 }))).toBe("InvalidDuration")
      expect(yield* defectTag(Blocking.interruptible(section, { grace: Infinity }))).toBe("InvalidDuration")
      expect(ran).toBe(false)
      expect(yield* Blocking.interruptible(section)).toBe(true)
    })
  )

  it.effect("uses the runner that an adapter provides", () =>
    Effect.gen(function* () {
      const graces: Array<number> = []
      const runner: Blocking.Runner = {
        preemption: "unwind",
        interruptible: (section, graceMillis) =>
          Effect.sync(() => {
            graces.push(graceMillis)
            return section({ stopRequested: false, interrupted: false, reason: undefined, check: () => {} })
          }),
        uninterruptible: (section) => Effect.sync(section)
      }
      const program = Effect.all([Blocking.interruptible(() => 1, { grace: "1 second" }), Blocking.preemption])
      expect(yield* Effect.provideService(program, Blocking.CurrentRunner, runner)).toEqual([1, "unwind"])
      expect(graces).toEqual([1000])
    })
  )

  it("ends with the signal's reason under Abort.run", async () => {
    const controller = new AbortController()
    const program = Effect.scoped(
      Effect.flatMap(Thread.spawn(Blocking.uninterruptible(() => controller.abort("gone"))), Thread.join)
    )
    const result = await Abort.run(Effect.andThen(program, Effect.never), { signal: controller.signal }).catch(
      (reason: unknown) => reason
    )
    expect(result).toBe("gone")
  })
})
