/** The pools under measurement: a pool of one worker, and a peer's. */
import { Worker } from "node:worker_threads"
import { WorkerPool } from "@quiesce/worker-threads"
import { Effect, type Scope } from "effect"
import { Piscina } from "piscina"
import type { Measure } from "../Comparison.ts"
import { Tasks } from "./contract.ts"

const workerUrl = new URL("./tasks.worker.ts", import.meta.url)
export const peerUrl = new URL("./peer.worker.mjs", import.meta.url)

export const makePool = (options: { readonly size?: number; readonly concurrency: number }) =>
  WorkerPool.make(Tasks, { spawn: (options) => new Worker(workerUrl, options), size: 1, ...options })

export type Pool = Effect.Success<ReturnType<typeof makePool>>

/** A measurement within a pool of one worker. */
export const inPool =
  (concurrency: number, f: (pool: Pool) => Effect.Effect<number, unknown, Scope.Scope>): Measure =>
  () =>
    Effect.runPromise(Effect.scoped(Effect.flatMap(makePool({ concurrency }), f)))

export const inPiscina =
  (concurrency: number, f: (pool: Piscina) => Promise<number>): Measure =>
  async () => {
    const pool = new Piscina({
      filename: peerUrl.href,
      minThreads: 1,
      maxThreads: 1,
      concurrentTasksPerWorker: concurrency
    })
    await pool.run({ a: 1, b: 1 })
    try {
      return await f(pool)
    } finally {
      await pool.destroy()
    }
  }
