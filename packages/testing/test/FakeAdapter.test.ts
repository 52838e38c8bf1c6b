/**
 * Fake threads react to each rung by their script, in virtual time. The reports of their shutdowns match the scripts.
 */
import { CancelReason, type Escalation, ForcedEnd, ShutdownReport, Thread } from "@quiesce/core"
import { FakeAdapter, Interruption, Leaks, Simulation } from "@quiesce/testing"
import { Cause, Effect, Exit, Fiber, Option, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect, it } from "vitest"

/** Runs an effect in virtual time, and checks that it leaves no sleep and no task behind. */
const run = async <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => {
  const { end, sleeps, tasks } = Simulation.run(() => Effect.scoped(effect))
  if (end._tag !== "Done") throw new Error(end._tag)
  expect({ sleeps, tasks }).toEqual({ sleeps: 0, tasks: 0 })
  return Effect.runPromise(end.exit)
}

const shutdown = <A, E>(script: FakeAdapter.Script<A, E>, escalation: Escalation.Escalation) =>
  run(Effect.flatMap(FakeAdapter.spawn(script, { name: "fake" }), (thread) => Thread.shutdown(thread, { escalation })))

const all: Escalation.Escalation = { stop: "1 second", interrupt: "1 second", unwind: "1 second", kill: "1 second" }

const rungsOf = (report: ShutdownReport.ShutdownReport) =>
  report.attempts.map((attempt) => ({
    rung: attempt.rung,
    result: attempt._tag,
    at: attempt.at,
    millis: attempt._tag === "Unavailable" ? 0 : attempt.millis
  }))

describe("a shutdown", () => {
  it("ends a thread at the rung stop, after the time in the script", async () => {
    const report = await shutdown({ onStop: FakeAdapter.endsAfter("300 millis") }, all)

    expect(report).toMatchObject({ rung: "stop", millis: 300, ending: { _tag: "Succeeded" } })
    expect(rungsOf(report)).toEqual([{ rung: "stop", result: "Ended", at: 0, millis: 300 }])
  })

  it("ends a thread that ignores stop at the rung interrupt", async () => {
    const report = await shutdown({ onInterrupt: FakeAdapter.endsAfter("200 millis") }, all)

    expect(report).toMatchObject({ rung: "interrupt", millis: 1200, ending: { _tag: "Interrupted" } })
    expect(rungsOf(report)).toEqual([
      { rung: "stop", result: "Outwaited", at: 0, millis: 1000 },
      { rung: "interrupt", result: "Ended", at: 1000, millis: 200 }
    ])
  })

  it("ends a thread that ignores interrupts at the rung unwind", async () => {
    const report = await shutdown(
      { onInterrupt: FakeAdapter.ignores, onUnwind: FakeAdapter.endsAfter("5 millis"), stack: "at loop (busy.ts:3:1)" },
      all
    )

    expect(report).toMatchObject({ rung: "unwind", millis: 2005, ending: { _tag: "Interrupted" } })
    expect(report.attempts[1]).toMatchObject({ _tag: "Outwaited", stack: "at loop (busy.ts:3:1)" })
  })

  it("ends a thread that refuses unwind at the rung kill", async () => {
    const stack = "at loop (busy.ts:3:1)"
    const script = { onInterrupt: FakeAdapter.ignores, onUnwind: FakeAdapter.refuses("It is uninterruptible"), stack }
    const report = await shutdown(script, all)

    expect(report.attempts).toMatchObject([
      { rung: "stop", stack: null },
      { rung: "interrupt", stack },
      { rung: "unwind", stack, why: "It is uninterruptible" },
      { rung: "kill", _tag: "Ended" }
    ])
    expect(report).toMatchObject({ rung: "kill", millis: 3000, ending: { _tag: "Killed" } })
    expect(rungsOf(report).at(-1)).toEqual({ rung: "kill", result: "Ended", at: 3000, millis: 0 })
    expect(report.attempts.map((attempt) => ("why" in attempt ? attempt.why : null))).toEqual([
      null,
      null,
      "It is uninterruptible",
      null
    ])
    expect(ShutdownReport.render(report)).toContain(
      "unwind at 2000 ms: outwaited for 1000 ms, refused at first: It is unint"
    )
  })

  it("skips a rung that the thread does not support, and reports the rung as unavailable", async () => {
    const report = await shutdown({ onInterrupt: FakeAdapter.ignores, onUnwind: FakeAdapter.lacks }, all)

    expect(rungsOf(report).slice(2)).toEqual([
      { rung: "unwind", result: "Unavailable", at: 2000, millis: 0 },
      { rung: "kill", result: "Ended", at: 2000, millis: 0 }
    ])
  })

  it("abandons a thread that outlasts the last rung", async () => {
    const script = {
      onInterrupt: FakeAdapter.ignores,
      onUnwind: FakeAdapter.ignores,
      onKill: FakeAdapter.endsAfter("1 hour"),
      leases: [{ name: "file" }]
    }
    const report = await shutdown(script, all)

    expect(report).toMatchObject({ millis: 4000, ending: { _tag: "Abandoned" }, lost: [{ lease: "file" }] })
    expect(ShutdownReport.isAbandoned(report)).toBe(true)
  })

  it("reports the releases, the latest lease first, and the time of each", async () => {
    const leases: ReadonlyArray<FakeAdapter.Lease> = [
      { name: "first", takes: "100 millis" },
      { name: "second", takes: "50 millis", fate: "failed", error: "disk full" },
      { name: "third", fate: "timedOut" }
    ]
    const report = await shutdown({ onStop: FakeAdapter.endsAfter("10 millis"), leases }, all)

    expect(report).toMatchObject({
      millis: 160,
      released: [{ lease: "first", thread: "fake", heldMillis: 160, error: null }],
      failed: [{ lease: "second", heldMillis: 60, error: "disk full" }],
      timedOut: [{ lease: "third", heldMillis: 10 }],
      lost: []
    })
  })

  it("reports the leases that a kill has lost, and the release of a lease that the host keeps", async () => {
    const leases: ReadonlyArray<FakeAdapter.Lease> = [
      { name: "file" },
      { name: "lock", keeper: "host", takes: "20 millis" },
      { name: "socket" }
    ]
    const report = await shutdown({ onInterrupt: FakeAdapter.ignores, leases }, { kill: "1 second" })

    expect(report).toMatchObject({
      millis: 20,
      released: [{ lease: "lock" }],
      lost: [{ lease: "socket" }, { lease: "file" }],
      ending: { _tag: "Killed" }
    })
  })

  it("by a kill interrupts the thread, lists the lost leases in the exit, and does not kill a thread that joins", async () => {
    const script: FakeAdapter.Script<void, never> = { onInterrupt: FakeAdapter.ignores, leases: [{ name: "file" }] }
    const reason = CancelReason.shutdown({ message: "closing time" })
    const { exit, joined, joining } = await run(
      Effect.gen(function* () {
        const thread = yield* FakeAdapter.spawn(script, { name: "fake" })
        const joining = yield* Thread.spawn(Thread.join(thread), { startImmediately: true })
        const exit = yield* Thread.shutdown(thread, { escalation: { kill: "1 second" }, reason }).pipe(
          Effect.andThen(Thread.await(thread))
        )
        return { exit, joined: yield* Thread.await(joining), joining: yield* Thread.shutdown(joining) }
      })
    )

    const lost = Option.some(ForcedEnd.killed("fake", ["file"]))
    expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
    expect(ForcedEnd.fromExit(exit)).toEqual(lost)
    expect(CancelReason.fromExit(exit)).toMatchObject({ value: reason })
    expect(ForcedEnd.fromExit(joined)).toEqual(lost)
    expect(joining.ending).toMatchObject({ _tag: "Interrupted", reason })
  })

  it("kills a thread in the middle of a release that hangs", async () => {
    const leases: ReadonlyArray<FakeAdapter.Lease> = [{ name: "file", takes: "Infinity" }, { name: "socket" }]
    const report = await shutdown({ leases }, { interrupt: "1 second", unwind: "1 second", kill: "1 second" })

    expect(report).toMatchObject({
      rung: "kill",
      millis: 2000,
      released: [{ lease: "socket" }],
      lost: [{ lease: "file" }]
    })
  })

  it("reports the end of a thread that ends by itself during the shutdown", async () => {
    const report = await run(
      Effect.gen(function* () {
        const thread = yield* FakeAdapter.spawn({
          onStart: FakeAdapter.endsAfter("400 millis", Exit.fail("no")),
          onStop: FakeAdapter.endsAfter("1 hour")
        })
        yield* Effect.sleep("100 millis")
        return yield* Thread.shutdown(thread, { escalation: all })
      })
    )

    expect(report).toMatchObject({ rung: "stop", millis: 300, ending: { _tag: "Failed" } })
  })
})

describe("spawn", () => {
  it("starts a thread whose join succeeds with the value of the script", async () => {
    const script = { onStart: FakeAdapter.endsAfter("2 seconds", Exit.succeed(7)) }

    expect(await run(Effect.flatMap(FakeAdapter.spawn(script), Thread.join))).toBe(7)
  })

  it("starts a thread whose exit has the first of two reasons", async () => {
    const exit = await run(
      Effect.gen(function* () {
        const thread = yield* FakeAdapter.spawn({ onInterrupt: FakeAdapter.endsAfter("1 second") })
        yield* Thread.interruptFork(thread, { reason: CancelReason.interrupted({ message: "first" }) })
        yield* Thread.interrupt(thread, { reason: CancelReason.interrupted({ message: "second" }) })
        return yield* Thread.await(thread)
      })
    )

    expect(CancelReason.fromExit(exit)).toMatchObject({ value: { message: "first" } })
  })

  it("starts a thread that receives no raised error", async () => {
    const delivered = await run(
      Effect.gen(function* () {
        const thread = yield* FakeAdapter.spawn({ onStart: FakeAdapter.endsAfter("1 second") })
        return yield* Thread.raise(thread, new Error("nobody"))
      })
    )

    expect(delivered).toBe(false)
  })

  it("starts a thread that ends with its scope, by the thread's own escalation", async () => {
    const { thread, millis } = await run(
      Effect.gen(function* () {
        const options: Thread.SpawnOptions = { escalation: { interrupt: "1 second", kill: "1 second" } }
        const thread = yield* Effect.scoped(FakeAdapter.spawn({ onInterrupt: FakeAdapter.ignores }, options))
        return { thread, millis: yield* Effect.clockWith((clock) => clock.currentTimeMillis) }
      })
    )

    expect(await Effect.runPromise(Thread.isAlive(thread))).toBe(false)
    expect(millis).toBe(1000)
  })

  it("uses the time of a TestClock, and leaves nothing behind", async () => {
    const program = Effect.gen(function* () {
      const thread = yield* FakeAdapter.spawn({ onStop: FakeAdapter.endsAfter("300 millis") })
      const ending = yield* Effect.forkChild(Thread.shutdown(thread, { escalation: all }), { startImmediately: true })
      yield* TestClock.adjust("299 millis")
      const before = yield* Thread.isAlive(thread)
      yield* TestClock.adjust("1 millis")
      return [before, yield* Thread.isAlive(thread), (yield* Fiber.join(ending)).millis]
    })

    expect(await Effect.runPromise(Leaks.none(Effect.provide(Effect.scoped(program), TestClock.layer())))).toEqual([
      true,
      false,
      300
    ])
  })

  it("refuses an invalid duration", async () => {
    const error = await run(Effect.flip(FakeAdapter.spawn({ leases: [{ name: "file", takes: "soon" as "1 second" }] })))

    expect(error).toMatchObject({ reason: { _tag: "InvalidOption", option: 'lease "file"' } })
  })

  it("is safe to cancel, also while a reaction begins", async () => {
    const end = FakeAdapter.endsAfter("300 millis")
    for (const script of [{ onStart: end }, { onStop: end }, { onInterrupt: end }, { onUnwind: end }]) {
      const program = Effect.scoped(
        Effect.flatMap(FakeAdapter.spawn(script, { name: "fake" }), (thread) =>
          Thread.shutdown(thread, { escalation: all })
        )
      )
      const { findings } = await Effect.runPromise(Interruption.explore(program))
      expect(findings).toEqual([])
    }
  })
})
