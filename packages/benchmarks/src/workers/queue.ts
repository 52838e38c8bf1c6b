/** The time to cancel calls that wait for a worker. */
import { Thread } from "@quiesce/core"
import { Effect, type Scope } from "effect"
import type { Comparison, Measure } from "../Comparison.ts"
import { inPool, type Pool } from "./pools.ts"

const many = 100_000
const few = 1000

/** Occupies the only place of a pool for as long as the scope is open. */
const occupied = (pool: Pool): Effect.Effect<unknown, unknown, Scope.Scope> =>
  pool.spawn("Wait", { cells: new Int32Array(new SharedArrayBuffer(4)) })

/** Nanoseconds to cancel each of `count` waiting calls, one after another from the back. Repeats to the same total. */
const oneByOne = (count: number): Measure =>
  inPool(1, (pool) =>
    Effect.gen(function* () {
      yield* occupied(pool)
      let millis = 0
      for (let done = 0; done < many; done += count) {
        const threads: Array<Thread.Thread<unknown, unknown>> = []
        for (let n = 0; n < count; n++) threads.push(yield* pool.spawn("Add", { a: 1, b: 1 }))
        threads.reverse()
        const start = performance.now()
        for (const thread of threads) yield* Thread.interrupt(thread)
        millis += performance.now() - start
      }
      return (millis * 1e6) / many
    })
  )

/** The same for calls that one signal cancels at once. */
const byOneSignal = (count: number): Measure =>
  inPool(1, (pool) =>
    Effect.gen(function* () {
      yield* occupied(pool)
      let millis = 0
      for (let done = 0; done < many; done += count) {
        const controller = new AbortController()
        const calls = Array.from({ length: count }, () =>
          pool.run("Add", { a: 1, b: 1 }, { signal: controller.signal })
        )
        const ended = Promise.allSettled(calls)
        // The calls are in the queue.
        yield* Effect.promise(() => new Promise(setImmediate))
        const start = performance.now()
        controller.abort("the end")
        yield* Effect.promise(() => ended)
        millis += performance.now() - start
      }
      return (millis * 1e6) / many
    })
  )

const unit = "ns each, 100,000 waiting calls against 1,000"

export const comparisons: ReadonlyArray<Comparison> = [
  { id: "queue-cancel-from-the-back", ours: oneByOne(many), peer: oneByOne(few) },
  { id: "queue-cancel-by-one-signal", ours: byOneSignal(many), peer: byOneSignal(few) }
].map((comparison): Comparison => ({ ...comparison, unit, direction: "at most", target: 3, rounds: 3 }))
