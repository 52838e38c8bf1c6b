/** A chain of threads in a worker, each with a lease and a child. Each lease is released, for chains of any depth. */
import { Worker } from "node:worker_threads"
import { Lease, Thread } from "@quiesce/core"
import { WorkerPool } from "@quiesce/worker-threads"
import { Effect, Scope, Exit } from "effect"
import { describe, expect, it } from "vitest"
import { cell, makeCells, Tasks } from "./fixtures/chain.ts"
import { whenSet } from "./support.ts"

const url = new URL("./fixtures/chain.worker.ts", import.meta.url)
type End = (thread: Thread.Thread<unknown, unknown>, scope: Scope.Closeable) => Effect.Effect<unknown, unknown>

/** The ways in which the task of a chain ends, each with the length of its chain. */
const ends: ReadonlyArray<readonly [depth: number, end: End]> = [
  [1000, (thread) => Thread.interrupt(thread)],
  [1000, (_, scope) => Scope.close(scope, Exit.void)],
  [10_000, (thread) => Thread.shutdown(thread, { escalation: { stop: "1 millis", interrupt: "1 hour" } })]
]

describe("a chain of threads in a worker", () => {
  it("releases all leases after an interrupt, after its scope has closed, and after a shutdown", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(Tasks, { spawn: (options) => new Worker(url, options), size: 1 })
      for (const [depth, end] of ends) {
        const cells = makeCells()
        const scope = yield* Scope.make()
        const thread = yield* Scope.provide(pool.spawn("Chain", { depth, cells }), scope)
        yield* whenSet(cells, cell.ready)
        yield* end(thread, scope)
        expect([cells[cell.acquired], cells[cell.released]]).toEqual([depth, depth])
        const tally = { acquired: depth, released: depth, failed: 0, timedOut: 0, lost: 0 }
        expect(yield* Lease.tally(thread)).toEqual(tally)
      }
    }).pipe(Effect.scoped, Effect.runPromise))
})
