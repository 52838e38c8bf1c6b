import { describe, expect, it } from "@effect/vitest"
import { Lease, Thread } from "@quiesce/core"
import * as ThreadMetrics from "@quiesce/core/ThreadMetrics"
import { Deferred, Effect, Metric, Scope } from "effect"
import { settle } from "./support.ts"

/** The gauges by metric and name. */
const gauges: Effect.Effect<Readonly<Record<string, number>>> = Effect.map(Metric.snapshot, (all) =>
  Object.fromEntries(
    all.map(({ attributes, id, state }) => [
      `${id} ${attributes?.["name"]}`,
      (state as Metric.GaugeState<number>).value
    ])
  )
)

/** Runs with a separate registry. */
const metered = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(Effect.andThen(Effect.yieldNow, effect), Metric.MetricRegistry, new Map())

describe("ThreadMetrics.layer", () => {
  it.effect("counts live threads, held leases and running releases by name when they are read", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const file = Lease.acquire({ name: "file", acquire: Effect.void, release: () => Deferred.await(gate) })
      const reader = Thread.spawn(Effect.andThen(file, Effect.never), { name: "reader", startImmediately: true })
      const before = yield* reader
      const second = yield* reader
      const unnamed = yield* Thread.spawn(Effect.never)
      expect(yield* gauges).toMatchObject({
        "quiesce_threads_alive reader": 2,
        "quiesce_threads_alive (unnamed)": 1,
        "quiesce_leases_held file": 2,
        "quiesce_finalizers_running file": 0
      })
      yield* Thread.interruptFork(before)
      yield* Thread.interrupt(unnamed)
      yield* settle
      expect(yield* gauges).toMatchObject({
        "quiesce_threads_alive reader": 2,
        "quiesce_threads_alive (unnamed)": 0,
        "quiesce_leases_held file": 2,
        "quiesce_finalizers_running file": 1
      })
      yield* Deferred.succeed(gate, undefined)
      yield* Thread.interruptAll([before, second])
      const after = { "quiesce_threads_alive reader": 0, "quiesce_leases_held file": 0 }
      expect(yield* gauges).toMatchObject(after)
      // A name that was read as 0 is not shown again before its next thread or lease.
      yield* settle
      expect(yield* gauges).toEqual({})
    }).pipe(Effect.scoped, Effect.provide(ThreadMetrics.layer), metered)
  )

  it.effect("counts threads and leases that are older than the layer, and nothing after its end", () =>
    Effect.gen(function* () {
      const file = Lease.acquire({ name: "file", acquire: Effect.void, release: () => Effect.void })
      yield* Thread.spawn(Effect.andThen(file, Effect.never), { name: "reader", startImmediately: true })
      const shown = yield* Effect.provide(gauges, ThreadMetrics.layer)
      expect(shown).toMatchObject({ "quiesce_threads_alive reader": 1, "quiesce_leases_held file": 1 })
      expect(yield* gauges).toEqual({})
    }).pipe(Effect.scoped, metered)
  )

  it.effect("keeps at most 1,000 names that are in use, and counts the others together", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      for (let i = 0; i < 3000; i++) {
        yield* Effect.scoped(Thread.spawn(Effect.void, { name: `short ${i}` }))
      }
      // The names that are not in use are removed after a read.
      yield* gauges
      yield* settle
      for (let i = 0; i < 1500; i++) {
        yield* Scope.provide(Thread.spawn(Effect.never, { name: `long ${i}` }), scope)
      }
      const shown = yield* gauges
      expect(Object.keys(shown)).toHaveLength(1001)
      expect(shown["quiesce_threads_alive (other)"]).toBe(500)
      yield* Scope.close(scope, yield* Effect.exit(Effect.void))
    }).pipe(Effect.provide(ThreadMetrics.layer), metered)
  )
})
