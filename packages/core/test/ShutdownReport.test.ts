import { describe, expect, it } from "@effect/vitest"
import { CancelReason, type Escalation, Lease, ShutdownReport, Thread } from "@quiesce/core"
import * as Schemas from "@quiesce/core/Schemas"
import * as ThreadAdapter from "@quiesce/core/adapter"
import type { UnwindOutcome } from "@quiesce/core/adapter"
import { Cause, Clock, Deferred, Effect, Exit, Fiber, Option, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Ladder from "../src/internal/ladder.ts"
import { nodeOf } from "../src/internal/threadNode.ts"
import { defectTags, endsIn, defectTag, hung, messages, settle } from "./support.ts"

const now = { startImmediately: true } as const

const drains = (millis: number) => Effect.andThen(Thread.awaitStop, Effect.sleep(millis))
const cleansUp = (millis: number) => Effect.ensuring(Effect.never, Effect.sleep(millis))
const lease = (name: string, release: Effect.Effect<void, string> = Effect.void) =>
  Lease.acquire({ name, acquire: Effect.void, release: () => release, releaseWithin: 10 })

/** A log, and leases that write their names into it when their releases start. */
const logging = () => {
  const log: Array<string> = []
  const noted = (name: string, release: Effect.Effect<unknown, string> = Effect.void) =>
    Lease.acquire({
      name,
      acquire: Effect.void,
      release: () =>
        Effect.andThen(
          Effect.sync(() => log.push(name)),
          release
        )
    })
  return { log, noted }
}

describe("Thread.shutdown", () => {
  it.effect("ends on stop when the thread drains in time", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(1000)
      const thread = yield* Thread.spawn(drains(30), { ...now, name: "reader" })
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { stop: 50, interrupt: 50 } }), 30)
      expect(report).toEqual({
        thread: "reader",
        reason: { _tag: "Shutdown", message: "Shutting down", by: "main", at: 1000 },
        startedAt: 1000,
        millis: 30,
        rung: "stop",
        attempts: [{ _tag: "Ended", rung: "stop", at: 0, millis: 30 }],
        ending: { _tag: "Succeeded" },
        released: [],
        failed: [],
        timedOut: [],
        lost: []
      })
    })
  )

  it.effect("climbs to interrupt after the grace for stop, to the millisecond", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(cleansUp(7), now)
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { stop: 50, interrupt: 50 } }), 57)
      expect(report.rung).toBe("interrupt")
      expect(report.millis).toBe(57)
      expect(report.attempts).toEqual([
        { _tag: "Outwaited", rung: "stop", at: 0, millis: 50, stack: null, finalizer: null, why: null },
        { _tag: "Ended", rung: "interrupt", at: 50, millis: 7 }
      ])
      expect(report.ending).toMatchObject({ _tag: "Interrupted", reason: { _tag: "Shutdown" } })
    })
  )

  it.effect("abandons a fiber after its last rung and names the hanging finalizer", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(
        Effect.andThen(Lease.acquire({ name: "socket", acquire: Effect.void, release: () => hung }), Effect.never),
        now
      )
      const joiner = yield* Effect.forkChild(Thread.await(thread), now)
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { stop: 10, interrupt: 20 } }), 30)
      expect(ShutdownReport.isAbandoned(report)).toBe(true)
      expect(report).toMatchObject({ rung: "interrupt", millis: 30, ending: { _tag: "Abandoned" } })
      expect(report.attempts).toEqual([
        { _tag: "Outwaited", rung: "stop", at: 0, millis: 10, stack: null, finalizer: null, why: null },
        { _tag: "Outwaited", rung: "interrupt", at: 10, millis: 20, stack: null, finalizer: "socket", why: null }
      ])
      expect(report.lost).toEqual([{ lease: "socket", thread: thread.name, heldMillis: 30, error: null }])
      expect(ShutdownReport.render(report)).toContain('in the release of "socket"')
      const exit = yield* Fiber.join(joiner)
      expect(defectTags(exit)).toEqual(["Abandoned"])
      expect(messages(exit)).toEqual(["Shutting down"])
    })
  )

  it.effect("runs the releases behind a hanging one, each once and in order, before the thread is abandoned", () =>
    Effect.gen(function* () {
      const { log, noted } = logging()
      const gate = yield* Deferred.make<void>()
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* noted("first", Effect.void)
          yield* noted("hangs, too", Effect.never)
          yield* noted("slow", Effect.sleep(5))
          yield* noted("bad", Effect.fail("disk full"))
          yield* noted("hangs", Deferred.await(gate))
          yield* noted("last", Effect.void)
          yield* Effect.never
        }),
        now
      )
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10 } }), 20)
      const started = ["last", "hangs", "bad", "slow", "hangs, too", "first"]
      expect(log).toEqual(started)
      expect(report).toMatchObject({ millis: 20, ending: { _tag: "Abandoned" } })
      expect(report.released.map((_) => _.lease)).toEqual(["last", "slow", "first"])
      expect(report.failed).toMatchObject([{ lease: "bad", error: expect.stringContaining("disk full") }])
      expect(report.lost.map((_) => _.lease)).toEqual(["hangs", "hangs, too"])
      expect(yield* Lease.tally(thread)).toEqual({ acquired: 6, released: 3, failed: 1, timedOut: 0, lost: 2 })
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      expect(log).toEqual(started)
    })
  )

  it.effect("runs the releases of leases that a child acquires while the thread is abandoned", () =>
    Effect.gen(function* () {
      const { log, noted } = logging()
      const gate = yield* Deferred.make<void>()
      const child = Effect.uninterruptible(
        Effect.gen(function* () {
          yield* noted("early", Effect.andThen(Deferred.succeed(gate, undefined), Effect.sleep(5)))
          yield* Deferred.await(gate)
          yield* noted("late")
          yield* hung
        })
      )
      const parent = Effect.gen(function* () {
        yield* Thread.interruptFork(yield* Thread.spawn(child, now))
        yield* hung
      })
      const thread = yield* Thread.spawn(Effect.uninterruptible(parent), now)
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10 } }), 15)
      expect(log).toEqual(["early", "late"])
      expect(report.released.map((_) => _.lease)).toEqual(["early", "late"])
      expect(report.lost).toEqual([])
    })
  )

  it.effect(
    "runs the release of a lease that is acquired during the remaining releases before those of earlier leases",
    () =>
      Effect.gen(function* () {
        const { log, noted } = logging()
        const thread = yield* Thread.spawn(
          Effect.uninterruptible(
            Effect.gen(function* () {
              yield* noted("first")
              yield* noted("slow", Effect.sleep(5))
              yield* Effect.sleep(12)
              yield* noted("late")
              yield* hung
            })
          ),
          now
        )
        const report = yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10 } }), 15)
        expect(log).toEqual(["slow", "late", "first"])
        expect(report.released.map((_) => _.lease)).toEqual(["slow", "late", "first"])
        expect(report.lost).toEqual([])
      })
  )

  it.effect("abandons a thread whose releases acquire a lease each", () =>
    Effect.gen(function* () {
      let acquired = 0
      const again: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() => {
        const name = `lease-${acquired++}`
        return Effect.asVoid(
          Lease.acquire({
            name,
            acquire: Effect.void,
            release: () => Effect.andThen(Scope.provide(again, scope), Effect.sleep(1))
          })
        )
      })
      const scope = yield* Scope.make()
      const thread = yield* Thread.spawn(Effect.uninterruptible(Effect.andThen(again, hung)), now)
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10 } }), 20)
      expect(report.ending).toEqual({ _tag: "Abandoned" })
      expect(report.released.length).toBeGreaterThan(1)
    })
  )

  it.effect("runs the releases of an abandoned thread after those of its child, whose release hangs", () =>
    Effect.gen(function* () {
      const { log, noted } = logging()
      const stuck = Lease.acquire({ name: "hangs", acquire: Effect.void, release: () => hung })
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* noted("parent's")
          yield* Thread.spawn(Effect.andThen(noted("child's"), Effect.andThen(stuck, Effect.never)), now)
          yield* Effect.never
        }),
        now
      )
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10 } }), 10)
      expect(log).toEqual(["child's", "parent's"])
      expect(report.released.map((_) => _.lease)).toEqual(["child's", "parent's"])
      expect(report.lost.map((_) => _.lease)).toEqual(["hangs"])
    })
  )

  it.effect(
    "runs the releases of a thread whose body hangs, each once and in order, before the thread is abandoned",
    () =>
      Effect.gen(function* () {
        const { log, noted } = logging()
        const gate = yield* Deferred.make<void>()
        const bad = Effect.fail("disk full")
        const inner = Effect.scoped(
          Effect.andThen(
            noted("inner"),
            Effect.andThen(noted("bad", bad), Effect.uninterruptible(Deferred.await(gate)))
          )
        )
        const thread = yield* Thread.spawn(
          Effect.andThen(noted("first"), Effect.andThen(noted("slow", Effect.sleep(5)), inner)),
          now
        )
        const report = yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10 } }), 15)
        const started = ["bad", "inner", "slow", "first"]
        expect(log).toEqual(started)
        expect(report).toMatchObject({ millis: 15, ending: { _tag: "Abandoned" }, lost: [] })
        expect(report.released.map((_) => _.lease)).toEqual(["inner", "slow", "first"])
        expect(report.failed).toMatchObject([{ lease: "bad", error: expect.stringContaining("disk full") }])
        expect(yield* Lease.tally(thread)).toEqual({ acquired: 4, released: 3, failed: 1, timedOut: 0, lost: 0 })
        yield* Deferred.succeed(gate, undefined)
        yield* settle
        expect(log).toEqual(started)
      })
  )

  it.effect("runs the releases of an abandoned thread whose child hangs after those of the child", () =>
    Effect.gen(function* () {
      const { log, noted } = logging()
      const child = Thread.spawn(Effect.andThen(noted("child's"), hung), now)
      const thread = yield* Thread.spawn(
        Effect.andThen(noted("parent's"), Effect.andThen(child, Effect.andThen(noted("later"), Effect.never))),
        now
      )
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10 } }), 10)
      expect(log).toEqual(["child's", "later", "parent's"])
      expect(report.lost).toEqual([])
    })
  )

  it.effect("interrupts the children of a thread whose body hangs before it runs the thread's releases", () =>
    Effect.gen(function* () {
      const { log, noted } = logging()
      const used = Effect.onInterrupt(Effect.never, () =>
        Effect.andThen(
          Effect.sleep(5),
          Effect.sync(() => log.push("last use"))
        )
      )
      const child = Thread.spawn(Effect.andThen(noted("child's"), used), now)
      const thread = yield* Thread.spawn(Effect.andThen(noted("parent's"), Effect.andThen(child, hung)), now)
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10 } }), 15)
      expect(log).toEqual(["last use", "child's", "parent's"])
      expect(report).toMatchObject({ ending: { _tag: "Abandoned" }, lost: [] })
    })
  )

  const between = [
    // The shutdown waits for this child as long as the last grace again.
    ["whose body hangs, too", {}, hung, 20],
    ["whose body has ended", { escalation: { stop: "1 minute" } }, Effect.void, 10]
  ] as const
  for (const [what, options, body, millis] of between) {
    it.effect(`interrupts the grandchild below a child ${what}, before it runs the grandchild's releases`, () =>
      Effect.gen(function* () {
        const { log, noted } = logging()
        const used = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void log.push("last use")))
        const grandchild = Effect.andThen(noted("grandchild's"), used)
        const child = Effect.andThen(Thread.spawn(grandchild, { ...now, ...options }), body)
        const thread = yield* Thread.spawn(Effect.andThen(Thread.spawn(child, now), hung), now)
        const report = yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10 } }), millis)
        expect(log).toEqual(["last use", "grandchild's"])
        expect(report).toMatchObject({ ending: { _tag: "Abandoned" }, lost: [] })
      })
    )
  }

  it.effect("interrupts a thread that was only asked to stop before it runs the thread's releases", () =>
    Effect.gen(function* () {
      const { log, noted } = logging()
      const used = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void log.push("last use")))
      const thread = yield* Thread.spawn(Effect.andThen(noted("slow", Effect.sleep(5)), used), now)
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { stop: 10 } }), 15)
      expect(log).toEqual(["last use", "slow"])
      expect(report).toMatchObject({ ending: { _tag: "Interrupted" }, lost: [] })
    })
  )

  it.effect("leaves the leases of an abandoned thread in the scope around the thread to that scope", () =>
    Effect.gen(function* () {
      const { log, noted } = logging()
      const around = yield* Scope.make()
      const thread = yield* Scope.provide(
        Thread.spawn(Effect.andThen(noted("own"), Effect.andThen(Scope.provide(noted("outer"), around), hung)), now),
        around
      )
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10 } }), 10)
      expect(log).toEqual(["own"])
      expect(report.lost.map((_) => _.lease)).toEqual(["outer"])
      yield* Scope.close(around, Exit.void)
      expect(log).toEqual(["own", "outer"])
    })
  )

  it.effect("runs the releases behind a hanging one in a scope inside of the body", () =>
    Effect.gen(function* () {
      const stuck = Lease.acquire({ name: "hangs", acquire: Effect.void, release: () => hung })
      const thread = yield* Thread.spawn(
        Effect.scoped(Effect.andThen(lease("earlier"), Effect.andThen(stuck, Effect.never))),
        now
      )
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10 } }), 10)
      expect(report.released.map((_) => _.lease)).toEqual(["earlier"])
      expect(report.lost.map((_) => _.lease)).toEqual(["hangs"])
    })
  )

  it.effect("runs the releases behind a finalizer that is no effect", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* lease("earlier")
          // The mistake of a caller without types.
          yield* Effect.addFinalizer(() => Promise.resolve() as unknown as Effect.Effect<void>)
          yield* Effect.never
        }),
        now
      )
      const report = yield* Thread.shutdown(thread, { escalation: { interrupt: 10 } })
      expect(report.released.map((_) => _.lease)).toEqual(["earlier"])
      expect(report.ending._tag).toBe("Failed")
    })
  )

  it.effect("names the rungs that a fiber does not have, without a wait", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(hung, now)
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10, unwind: 10, kill: 10 } }), 10)
      expect(report.attempts.map((attempt) => `${attempt._tag} ${attempt.rung} ${attempt.at}`)).toEqual([
        "Outwaited interrupt 0",
        "Unavailable unwind 10",
        "Unavailable kill 10"
      ])
      expect(report.millis).toBe(10)
      expect(report.ending._tag).toBe("Abandoned")
    })
  )

  it.effect("without an interrupt does not report an ended thread as abandoned", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.never, now)
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { stop: 10 } }), 10)
      const status = yield* Thread.status(thread)
      expect(report.ending._tag === "Abandoned").toBe(status._tag === "Abandoned")
    })
  )

  it.effect("of an ended thread changes nothing and reports that no rung was needed", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.fail("no"))
      yield* Thread.await(thread)
      const report = yield* Thread.shutdown(thread)
      expect(report).toMatchObject({ rung: null, millis: 0, attempts: [], ending: { _tag: "Failed" } })
      expect(ShutdownReport.render(report)).toContain(": had ended before (Failed: ")
    })
  )

  it.effect("climbs the thread's own escalation when none is named", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.never, { ...now, escalation: { stop: 10, interrupt: 10 } })
      const report = yield* endsIn(Thread.shutdown(thread), 10)
      expect(report.attempts.map((attempt) => attempt.rung)).toEqual(["stop", "interrupt"])
    })
  )

  it.effect("reports released, failed and timed-out leases, also of the thread's descendants", () =>
    Effect.gen(function* () {
      const child = Effect.andThen(lease("child's"), Effect.never)
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* lease("good")
          yield* lease("bad", Effect.fail("disk full"))
          yield* lease("slow", Effect.never)
          yield* Thread.spawn(child, { ...now, name: "child" })
          yield* Effect.never
        }),
        { ...now, name: "parent" }
      )
      yield* TestClock.adjust(5)
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 100 } }), 10)
      expect(report.released).toEqual([
        { lease: "child's", thread: "child", heldMillis: 5, error: null },
        { lease: "good", thread: "parent", heldMillis: 15, error: null }
      ])
      expect(report.failed).toMatchObject([{ lease: "bad", thread: "parent", heldMillis: 15 }])
      expect(report.failed[0]?.error).toContain("disk full")
      expect(report.timedOut).toMatchObject([{ lease: "slow", thread: "parent", heldMillis: 15 }])
      expect(report.lost).toEqual([])
      expect(report.millis).toBe(10)
      expect(ShutdownReport.render(report).split("\n")).toEqual([
        expect.stringContaining("parent: ended on interrupt after 10 ms"),
        "  interrupt at 0 ms: ended after 10 ms",
        "  released: child's, good",
        "  failed: bad",
        "  timedOut: slow"
      ])
    })
  )

  it.effect("counts only the leases that were settled during the shutdown", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* Effect.scoped(lease("before"))
          yield* lease("during")
          yield* Effect.never
        }),
        now
      )
      const report = yield* Thread.shutdown(thread)
      expect(report.released.map((_) => _.lease)).toEqual(["during"])
    })
  )

  it.effect("from several callers with different escalations climbs no rung twice", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          const self = yield* Thread.current
          self.stopSignal.addEventListener("abort", () => asked.push("stop"))
          self.signal.addEventListener("abort", () => asked.push("interrupt"))
          yield* Effect.ensuring(
            Effect.never,
            Effect.andThen(
              Effect.sync(() => asked.push("finalizer")),
              Effect.sleep(100)
            )
          )
        }),
        now
      )
      const reports = yield* endsIn(
        Effect.all(
          [
            Thread.shutdown(thread, { escalation: { stop: 50, interrupt: 500 } }),
            Thread.shutdown(thread, { escalation: { stop: 20, interrupt: 500 } }),
            Thread.shutdown(thread, { escalation: { interrupt: 1000 } })
          ],
          { concurrency: "unbounded" }
        ),
        100
      )
      expect(asked).toEqual(["stop", "interrupt", "finalizer"])
      expect(reports.map((report) => report.millis)).toEqual([100, 100, 100])
      expect(new Set(reports.map((report) => JSON.stringify(report.reason))).size).toBe(1)
    })
  )

  const overtakings = [
    ["ends", cleansUp(7), 17, "Interrupted"],
    ["is abandoned", hung, 1010, "Abandoned"]
  ] as const
  for (const [what, work, millis, ending] of overtakings) {
    it.effect(`names the rung to which another request took the thread, if the thread ${what}`, () =>
      Effect.gen(function* () {
        const thread = yield* Thread.spawn(work, now)
        const first = yield* Effect.forkChild(
          Thread.shutdown(thread, { escalation: { stop: "60 seconds", interrupt: "60 seconds" } })
        )
        yield* TestClock.adjust(10)
        const second = yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: "1 second" } }), millis - 10)
        expect(second.rung).toBe("interrupt")
        expect(second.attempts).toMatchObject([
          { _tag: ending === "Abandoned" ? "Outwaited" : "Ended", rung: "interrupt" }
        ])
        const report = yield* Fiber.join(first)
        expect(report).toMatchObject({ rung: "interrupt", millis, ending: { _tag: ending } })
        expect(report.attempts).toEqual([{ _tag: "Overtaken", rung: "stop", at: 0, millis, to: "interrupt" }])
        expect(ShutdownReport.render(report)).toContain("by another request, which ended the wait on interrupt")
        const json = JSON.stringify(Schema.encodeSync(Schemas.ShutdownReport)(report))
        expect(Schema.decodeUnknownSync(Schemas.ShutdownReport)(JSON.parse(json))).toEqual(report)
      })
    )
  }

  it.effect("reports that another request abandoned the thread on the same rung", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(hung, now)
      const first = yield* Effect.forkChild(Thread.shutdown(thread, { escalation: { interrupt: "60 seconds" } }))
      yield* TestClock.adjust(10)
      yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 20 } }), 20)
      const report = yield* Fiber.join(first)
      expect(report).toMatchObject({ rung: "interrupt", ending: { _tag: "Abandoned" } })
      expect(report.attempts).toEqual([{ _tag: "Overtaken", rung: "interrupt", at: 0, millis: 30, to: "interrupt" }])
    })
  )

  it.effect("returns when another request abandons the thread, also while it waits for the remaining releases", () =>
    Effect.gen(function* () {
      const { log, noted } = logging()
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* noted("first", Effect.void)
          yield* noted("slow", Effect.sleep(100))
          yield* noted("hangs", Effect.never)
          yield* Effect.never
        }),
        now
      )
      const patient = yield* Effect.forkChild(Thread.shutdown(thread, { escalation: { interrupt: 50 } }), now)
      // The first request now grants the remaining releases 50 ms more.
      yield* TestClock.adjust(60)
      yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10 } }), 10)
      expect(patient.pollUnsafe()).toBeDefined()
      expect(yield* Fiber.join(patient)).toMatchObject({ millis: 70, ending: { _tag: "Abandoned" } })
      yield* TestClock.adjust(100)
      expect(log).toEqual(["hangs", "slow", "first"])
      expect(yield* Lease.tally(thread)).toMatchObject({ acquired: 3, released: 1, lost: 2 })
    })
  )

  it.effect("with a shorter escalation ends the wait of callers with a longer one", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(hung, now)
      const patient = yield* Effect.forkChild(Thread.shutdown(thread, { escalation: { interrupt: "Infinity" } }), now)
      yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10 } }), 10)
      const report = yield* Fiber.join(patient)
      expect(report).toMatchObject({ millis: 10, ending: { _tag: "Abandoned" } })
    })
  )

  it.effect("ends every wait for an abandoned thread, and each wait for its parent", () =>
    Effect.gen(function* () {
      const parent = yield* Thread.spawn(
        Effect.asVoid(Thread.spawn(hung, { ...now, escalation: { interrupt: 10 } })),
        now
      )
      yield* endsIn(Thread.await(parent), 10)
      expect(yield* Thread.isAlive(parent)).toBe(false)
    })
  )

  it.effect("ends the waits for the children of an abandoned thread, if the children's escalations have a limit", () =>
    Effect.gen(function* () {
      let child: Thread.Thread<never> | undefined
      const parent = yield* Thread.spawn(
        Effect.andThen(
          Effect.map(Thread.spawn(hung, { ...now, escalation: { interrupt: 10 } }), (thread) => (child = thread)),
          hung
        ),
        now
      )
      yield* endsIn(Thread.shutdown(parent, { escalation: { interrupt: 10 } }), 10)
      yield* endsIn(Thread.await(child!), 10)
      expect((yield* Thread.status(child!))._tag).toBe("Abandoned")
    })
  )

  it.effect("also climbs under a mask", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(hung, now)
      const report = yield* endsIn(
        Effect.uninterruptible(Thread.shutdown(thread, { escalation: { stop: 5, interrupt: 10 } })),
        15
      )
      expect(report.millis).toBe(15)
    })
  )

  it.effect("sends no further request after an interrupt, and the thread still ends with its scope", () =>
    Effect.gen(function* () {
      const thread = yield* Effect.scoped(
        Effect.gen(function* () {
          const made = yield* Thread.spawn(Effect.never, now)
          yield* endsIn(
            Effect.timeoutOption(Thread.shutdown(made, { escalation: { stop: 20, interrupt: 20 } }), 10),
            10
          )
          yield* TestClock.adjust(100)
          expect((yield* Thread.status(made))._tag).toBe("Stopping")
          return made
        })
      )
      expect((yield* Thread.status(thread))._tag).toBe("Done")
    })
  )

  it.effect("of an ancestor fails with SelfJoin and affects no thread", () =>
    Effect.gen(function* () {
      const parent = yield* Thread.spawn(
        Effect.gen(function* () {
          const self = yield* Thread.current
          return yield* Thread.join(yield* Thread.spawn(Effect.orDie(defectTag(Thread.shutdown(self)))))
        })
      )
      expect(yield* Thread.join(parent)).toBe("SelfJoin")
    })
  )

  it.effect("refuses an invalid escalation and leaves the thread unharmed", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.never, now)
      expect(yield* defectTag(Thread.shutdown(thread, { escalation: {} }))).toBe("InvalidEscalation")
      expect(yield* defectTag(Thread.shutdown(thread, { escalation: { interrupt: -1 } }))).toBe("InvalidEscalation")
      expect((yield* Thread.status(thread))._tag).toBe("Running")
    })
  )

  it.effect("has the first reason in a later report", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(cleansUp(10), now)
      yield* Thread.interruptFork(thread, { reason: CancelReason.interrupted({ message: "first" }) })
      const report = yield* endsIn(
        Thread.shutdown(thread, {
          escalation: { interrupt: 20 },
          reason: CancelReason.shutdown({ message: "bye", signal: "SIGTERM" })
        }),
        10
      )
      expect(report.reason.message).toBe("first")
      expect(report.ending).toMatchObject({ reason: { message: "first" } })
    })
  )

  it.effect("reports a failure in a finalizer as the ending", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.ensuring(Effect.never, Effect.die(new Error("disk full"))), now)
      const report = yield* Thread.shutdown(thread)
      expect(report.ending._tag).toBe("Failed")
      expect(ShutdownReport.render(report)).toContain("Failed")
    })
  )

  it.effect("reports a thread with an empty cause", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.andThen(Thread.awaitStop, Effect.failCause(Cause.empty)), now)
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { stop: 10 } }), 10)
      expect(report.ending._tag).toBe("Failed")
    })
  )

  it.effect("returns when another shutdown has abandoned the thread, before the rest of its own time", () =>
    Effect.gen(function* () {
      const { noted } = logging()
      const child = Effect.scoped(Effect.andThen(noted("file", Effect.sleep(1000)), Effect.never))
      const body = Effect.andThen(Thread.spawn(child, now), Effect.uninterruptible(Effect.sleep(1000)))
      const thread = yield* Thread.spawn(Effect.scoped(body), now)
      const shutdown = Thread.shutdown(thread, { escalation: { interrupt: 10 } })
      const reports = yield* endsIn(Effect.all([shutdown, shutdown], { concurrency: "unbounded" }), 10)
      expect(reports.map(({ ending, millis }) => [ending._tag, millis])).toEqual([
        ["Abandoned", 10],
        ["Abandoned", 10]
      ])
    })
  )

  it.effect("keeps the exit of an abandoned thread when the fiber ends later", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.uninterruptible(Effect.sleep(100)), now)
      yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10 } }), 10)
      const before = yield* Thread.await(thread)
      yield* TestClock.adjust(100)
      yield* settle
      expect(yield* Thread.await(thread)).toBe(before)
      expect((yield* Thread.status(thread))._tag).toBe("Abandoned")
      expect(yield* Clock.currentTimeMillis).toBe(110)
    })
  )
})

/** A remote thread that reacts to no request. A search for its stack takes `searchMillis`. */
const deaf = (searchMillis: number, unwind: Option.Option<Effect.Effect<UnwindOutcome>> = Option.none()) =>
  Effect.gen(function* () {
    let remote: ThreadAdapter.RemoteThread<void, never> | undefined
    const searches: Array<number> = []
    const thread = yield* ThreadAdapter.spawn<void, never, never, never>((made) => {
      remote = made
      return Effect.succeed({
        requestStop: () => Effect.void,
        requestInterrupt: () => Effect.void,
        raise: () => Effect.succeed(false),
        unwind,
        kill: Option.none(),
        locate: Effect.flatMap(Clock.currentTimeMillis, (at) => {
          searches.push(at)
          return Effect.as(Effect.sleep(searchMillis), Option.some("at loop (busy.ts:3:1)"))
        })
      })
    })
    return { thread, remote: remote!, searches }
  })

/** The rungs and the kinds of the attempts of a report. */
const attemptsOf = ({ attempts }: ShutdownReport.ShutdownReport) => attempts.map(({ _tag, rung }) => [_tag, rung])

describe("Thread.shutdown of a thread that lacks the first rung above stop", () => {
  const forced: ReadonlyArray<Escalation.Escalation> = [{ kill: 50 }, { unwind: 50, kill: 5 }]
  for (const escalation of forced) {
    const rungs = Object.keys(escalation)
    it.effect(`interrupts the thread, and gives the thread the grace of that rung: ${rungs.join(", ")}`, () =>
      Effect.gen(function* () {
        const { log, noted } = logging()
        const slow = (name: string) => noted(name, Effect.sleep(20))
        const body = Effect.scoped(Effect.andThen(Effect.andThen(slow("file"), slow("lock")), Effect.never))
        const thread = yield* Thread.spawn(body, { ...now, name: "writer" })
        const report = yield* endsIn(Thread.shutdown(thread, { escalation }), 40)
        expect(report).toMatchObject({ rung: "interrupt", ending: { _tag: "Interrupted" }, lost: [] })
        expect(report.released.map(({ lease }) => lease)).toEqual(["lock", "file"])
        expect(log).toEqual(["lock", "file"])
        expect(attemptsOf(report)).toEqual([["Ended", "interrupt"]])
        expect(ShutdownReport.render(report)).toMatch(/^writer: ended on interrupt after 40 ms/)
      })
    )

    it.effect(
      `names the finalizer that has outlasted the grace, and the rungs that were not available: ${rungs.join(", ")}`,
      () =>
        Effect.gen(function* () {
          const { noted } = logging()
          const held = noted("socket", Effect.never)
          const thread = yield* Thread.spawn(Effect.scoped(Effect.andThen(held, Effect.never)), now)
          // The remaining releases have the same time once more.
          const report = yield* endsIn(Thread.shutdown(thread, { escalation }), 100)
          expect(report).toMatchObject({ rung: "interrupt", ending: { _tag: "Abandoned" } })
          expect(attemptsOf(report)).toEqual([
            ["Outwaited", "interrupt"],
            ...rungs.map((rung) => ["Unavailable", rung])
          ])
          expect(report.attempts[0]).toMatchObject({ at: 0, millis: 50, finalizer: "socket" })
          expect(report.attempts[1]).toMatchObject({ at: 50 })
        })
    )
  }

  it.effect("interrupts the thread after stop", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(cleansUp(7), now)
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { stop: 30, kill: 20 } }), 37)
      expect(report).toMatchObject({ rung: "interrupt", ending: { _tag: "Interrupted" } })
      expect(attemptsOf(report)).toEqual([
        ["Outwaited", "stop"],
        ["Ended", "interrupt"]
      ])
    })
  )

  for (const rung of ["unwind", "kill"] as const) {
    it.effect(`records the rung interrupt for a fiber that was asked on ${rung}, which a later report names`, () =>
      Effect.gen(function* () {
        const thread = yield* Thread.spawn(cleansUp(20), now)
        yield* settle
        yield* Ladder.ask(nodeOf(thread), rung, CancelReason.interrupted())
        const report = yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 100 } }), 20)
        expect(report.rung).toBe("interrupt")
        expect(attemptsOf(report)).toEqual([["Ended", "interrupt"]])
      })
    )
  }

  it.effect("kills the thread after the grace of an unwind that the thread lacks", () =>
    Effect.gen(function* () {
      const killed: Array<number> = []
      const thread = yield* ThreadAdapter.spawn<void, never, never, never>((remote) =>
        Effect.succeed({
          requestStop: () => Effect.void,
          requestInterrupt: () => Effect.void,
          raise: () => Effect.succeed(false),
          unwind: Option.none(),
          kill: Option.some((reason: CancelReason.CancelReason) =>
            Effect.map(Clock.currentTimeMillis, (at) => {
              killed.push(at)
              remote.settle(Exit.failCause(CancelReason.toCause(reason)))
            })
          ),
          locate: Effect.succeedNone
        })
      )
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { unwind: 30, kill: 20 } }), 30)
      expect(killed).toEqual([30])
      expect(attemptsOf(report)).toEqual([
        ["Outwaited", "interrupt"],
        ["Unavailable", "unwind"],
        ["Ended", "kill"]
      ])
    })
  )

  it.effect("reports interrupt if the interrupt before an abandon has ended the thread after stop", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.never, now)
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { stop: 10 } }), 10)
      expect(report).toMatchObject({ rung: "interrupt", ending: { _tag: "Interrupted" } })
      expect(attemptsOf(report)).toEqual([["Outwaited", "stop"]])
    })
  )
})

describe("Thread.shutdown, while it searches for the stack of a thread", () => {
  it.effect("searches only before it abandons the thread, and reports the stack on that rung", () =>
    Effect.gen(function* () {
      const { thread, searches } = yield* deaf(400)
      const report = yield* endsIn(
        Thread.shutdown(thread, { escalation: { stop: 100, interrupt: 5000, kill: 10 } }),
        5500
      )
      expect(searches).toEqual([5100])
      expect(report.attempts).toMatchObject([
        { rung: "stop", at: 0, millis: 100, stack: null },
        { rung: "interrupt", at: 100, millis: 5000, stack: "at loop (busy.ts:3:1)" },
        { rung: "kill", _tag: "Unavailable" }
      ])
    })
  )

  it.live("has no line that a name or a message of other code has written", () =>
    Effect.gen(function* () {
      const forged = "encode\n  released: everything\u001b[2K\u202e"
      const thread = yield* Thread.spawn(Effect.never, { startImmediately: true, name: forged })
      const reason = CancelReason.shutdown({ message: forged })
      const text = ShutdownReport.render(
        yield* Thread.shutdown(thread, { escalation: { interrupt: "1 second" }, reason })
      )
      // The line of the thread, and that of its one rung.
      expect(text.split("\n")).toHaveLength(2)
      expect(text).not.toMatch(/\p{Cc}(?<!\n)|\u202e/u)
    }).pipe(Effect.scoped)
  )

  it.effect("waits for a slow search for one second at most", () =>
    Effect.gen(function* () {
      const { thread } = yield* deaf(3000)
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { stop: 100, interrupt: 5000 } }), 6100)
      expect(report.attempts).toMatchObject([
        { rung: "stop", at: 0, millis: 100, stack: null },
        { rung: "interrupt", at: 100, millis: 5000, stack: null }
      ])
      expect(report).toMatchObject({ millis: 6100, ending: { _tag: "Abandoned" } })
    })
  )

  it.effect("takes the stack of the rung before an unwind from the unwind itself", () =>
    Effect.gen(function* () {
      const refused: UnwindOutcome = { _tag: "Refused", why: "it is masked", stack: "at mask (busy.ts:1:1)" }
      const { thread, searches } = yield* deaf(0, Option.some(Effect.succeed(refused)))
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { stop: 10, interrupt: 20, unwind: 30 } }), 60)
      expect(searches).toEqual([60])
      expect(report.attempts).toMatchObject([
        { rung: "stop", stack: null },
        { rung: "interrupt", stack: "at mask (busy.ts:1:1)", why: null },
        { rung: "unwind", stack: "at loop (busy.ts:3:1)", why: "it is masked" }
      ])
    })
  )

  it.effect("returns when the thread has ended, so that the report has the whole time", () =>
    Effect.gen(function* () {
      const { remote, thread } = yield* deaf(180)
      const started = yield* Clock.currentTimeMillis
      const passed = Effect.map(Clock.currentTimeMillis, (at) => at - started)
      const ending = yield* Effect.forkChild(
        Effect.all([Thread.shutdown(thread, { escalation: { stop: 30 } }), passed]),
        now
      )
      yield* TestClock.adjust(38)
      remote.settle(Exit.void)
      yield* TestClock.adjust(1000)
      const [report, millis] = yield* Fiber.join(ending)
      expect(report).toMatchObject({ rung: "stop", millis: 38, ending: { _tag: "Succeeded" } })
      expect(millis).toBe(38)
    })
  )

  it.effect("has no attempt on a rung after the end of the thread", () =>
    Effect.gen(function* () {
      const { remote, thread } = yield* deaf(3000)
      const ending = yield* Effect.forkChild(Thread.shutdown(thread, { escalation: { stop: 100, interrupt: 50 } }))
      yield* TestClock.adjust(200)
      remote.settle(Exit.void)
      yield* TestClock.adjust(1000)
      const report = yield* Fiber.join(ending)
      expect(report).toMatchObject({ rung: "interrupt", millis: 200, ending: { _tag: "Succeeded" } })
      expect(report.attempts).toMatchObject([
        { _tag: "Outwaited", rung: "stop", at: 0, millis: 100 },
        { _tag: "Outwaited", rung: "interrupt", at: 100, millis: 50 }
      ])
    })
  )
})

describe("ShutdownReport", () => {
  it.effect("survives JSON", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(
        Effect.andThen(
          Lease.acquire({ name: "file", acquire: Effect.void, release: () => Effect.fail("disk full") }),
          Effect.andThen(Lease.acquire({ name: "socket", acquire: Effect.void, release: () => hung }), Effect.never)
        ),
        now
      )
      const report = yield* endsIn(Thread.shutdown(thread, { escalation: { stop: 5, interrupt: 10, kill: 5 } }), 15)
      const json = JSON.stringify(Schema.encodeSync(Schemas.ShutdownReport)(report))
      expect(Schema.decodeUnknownSync(Schemas.ShutdownReport)(JSON.parse(json))).toEqual(report)
      expect(report.attempts.map((attempt) => attempt._tag)).toEqual(["Outwaited", "Outwaited", "Unavailable"])
    })
  )

  it("survives JSON with every ending", () => {
    const reason = CancelReason.aborted(new Error("gone"))
    const endings: ReadonlyArray<ShutdownReport.Ending> = [
      { _tag: "Succeeded" },
      { _tag: "Failed", error: "no" },
      { _tag: "Interrupted", reason },
      { _tag: "NeverStarted", reason },
      { _tag: "Killed", reason: CancelReason.shutdown({ message: "bye", signal: "SIGTERM" }) },
      { _tag: "Crashed", error: "out of memory" },
      { _tag: "Abandoned" }
    ]
    for (const ending of endings) {
      const json = JSON.stringify(Schema.encodeSync(Schemas.Ending)(ending))
      expect(Schema.decodeUnknownSync(Schemas.Ending)(JSON.parse(json))).toEqual(ending)
    }
  })

  it("can't be decoded from any other value", () => {
    expect(Exit.isFailure(Schema.decodeUnknownExit(Schemas.ShutdownReport)({ thread: "a" }))).toBe(true)
  })
})
