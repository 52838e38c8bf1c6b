/**
 * Two threads on a worker that hear nothing: one is lost in a regular expression, one in a loop. Each is ended by the
 * engine where it is, its file is closed by its own finalizer, and the worker lives on for the next.
 */
import { Worker } from "node:worker_threads"
import { CancelReason, Thread } from "@quiesce/core"
import { WorkerPool } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { expect } from "../Scene.ts"
import type { Scene } from "../Scene.ts"
import { makeBegun, Searches } from "../search/contract.ts"

const makePool = WorkerPool.make(Searches, {
  spawn: (options) => new Worker(new URL("../search/search.worker.ts", import.meta.url), options),
  size: 1
})

type Pool = Effect.Success<typeof makePool>

const whenBegun = async (begun: Int32Array<SharedArrayBuffer>): Promise<void> => {
  const waiting = Atomics.waitAsync(begun, 0, 0)
  if (waiting.async) await waiting.value
}

/** Starts a search and shuts it down once it is busy. */
const searchAndEnd = (pool: Pool, task: "Match" | "Count", path: string) =>
  Effect.gen(function* () {
    const begun = makeBegun()
    const thread = yield* pool.spawn(task, { path, begun })
    yield* Effect.promise(() => whenBegun(begun))
    const reason = CancelReason.interrupted("The search is no longer wanted")
    return yield* Thread.shutdown(thread, { interrupt: "100 millis", unwind: "5 seconds" }, { reason })
  })

export const busyWorker: Scene = {
  name: "busy worker",
  run: ({ sources }) =>
    Effect.gen(function* () {
      const pool = yield* makePool
      if (!pool.capabilities.unwind.available) {
        const story = [`left out: ${pool.capabilities.unwind.why}`]
        return { asked: "interrupt", rung: null, millis: 0, rows: 0, story }
      }
      const path = sources[Math.floor(sources.length / 2)] ?? import.meta.filename

      const match = yield* searchAndEnd(pool, "Match", path)
      const count = yield* searchAndEnd(pool, "Count", path)

      const { workers } = yield* pool.status
      yield* expect(match.rung === "interrupt" && match.released.length === 1, "the section is ended at once")
      yield* expect(count.rung === "unwind" && count.released.length === 1, "the loop is ended on the next rung")
      yield* expect(workers === 1, "the worker lives on")
      return {
        asked: "interrupt, then unwind",
        rung: count.rung,
        millis: match.millis + count.millis,
        rows: 0,
        story: [
          `a regular expression that backtracks for ever was ended after ${match.millis} ms, its file closed by its finalizer`,
          `a loop in no section hogged the same worker: interrupt was outwaited, unwind ended it, its file closed too`
        ]
      }
    }).pipe(Effect.catchTag("WorkerError", Effect.die))
}
