/** Synchronous code in the releases of a worker. A release is shielded: no cancel ends its code. */
import { Worker } from "node:worker_threads"
import { Lease, Thread } from "@quiesce/core"
import * as ThreadAdapter from "@quiesce/core/adapter"
import { WorkerPool } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { cell, makeCells, Tasks } from "./fixtures/release-sections.ts"
import { whenSet } from "./support.ts"

const url = new URL("./fixtures/release-sections.worker.ts", import.meta.url)
const makePool = WorkerPool.make(Tasks, { spawn: (options) => new Worker(url, options), size: 1 })

describe.each([
  ["without a limit", false],
  ["with releaseWithin", true]
] as const)("a release %s of an interrupted task", (_, limited) => {
  it.each(["polling", "section", "plain"] as const)("runs its loop to the end, despite an unwind: %s", (how) =>
    Effect.gen(function* () {
      const pool = yield* makePool
      const cells = makeCells()
      const thread = yield* pool.spawn("Hold", { cells, how, limited })
      yield* whenSet(cells, cell.waiting)
      yield* Thread.interruptFork(thread)
      yield* whenSet(cells, cell.releasing)
      // The unwind is refused, so the climb abandons no thread and waits for the release.
      const climb = yield* Effect.forkChild(
        Thread.shutdown(thread, { escalation: { interrupt: 1, unwind: "1 hour" } }),
        {
          startImmediately: true
        }
      )
      const outcome = yield* ThreadAdapter.controlsOf(thread).unwind.pipe(Effect.fromOption, Effect.flatten)
      Atomics.store(cells, cell.mayEnd, 1)
      yield* Thread.await(thread)
      expect(outcome._tag).toBe("Refused")
      expect(cells[cell.released]).toBe(1)
      expect(yield* Lease.tally(thread)).toEqual({ acquired: 1, released: 1, failed: 0, timedOut: 0, lost: 0 })
      climb.interruptUnsafe()
    }).pipe(Effect.scoped, Effect.runPromise)
  )
})
