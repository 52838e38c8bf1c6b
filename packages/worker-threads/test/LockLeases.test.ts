/** A lock that synchronous code holds is a lease of its thread. */
import { Lease, Thread } from "@quiesce/core"
import { SharedMutex, WorkerPool } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { Worker } from "node:worker_threads"
import { expect, it } from "vitest"
import { Attacks } from "./fixtures/neighbour-attacks.ts"
import { Cell } from "./fixtures/cells.ts"
import { makeCells } from "./fixtures/contract.ts"
import { whenSet } from "./support.ts"

it.each([false, true])(
  "SharedMutex.lockSync in a section is reported as lost when the worker is killed: %s",
  (section) =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const pool = yield* WorkerPool.make(Attacks, {
            spawn: (options) => new Worker(new URL("./fixtures/neighbour-attacks.worker.ts", import.meta.url), options),
            size: 1
          })
          const [mutex, cells] = [yield* SharedMutex.make({ name: "index" }), makeCells()]
          const thread = yield* pool.spawn("HoldSync", { mutex, cells, section })
          yield* whenSet(cells, Cell.begun)
          const report = yield* Thread.shutdown(thread, { escalation: { kill: "20 seconds" } })
          expect(report.lost.map(({ lease }) => lease)).toEqual(["index"])
          expect(yield* Lease.tally(thread)).toMatchObject({ acquired: 2, released: 1, lost: 1 })
        })
      )
    )
)
