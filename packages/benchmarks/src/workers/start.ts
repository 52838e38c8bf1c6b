/** The start-up time of a worker. */
import { Worker } from "node:worker_threads"
import { Effect } from "effect"
import type { Comparison, Measure } from "../Comparison.ts"
import { makePool } from "./pools.ts"

const bareUrl = new URL("./bare.worker.ts", import.meta.url)

/** The time until the one worker of a pool is ready. An earlier pool has measured the process's capabilities. */
const spawnInPool: Measure = () =>
  Effect.gen(function* () {
    yield* Effect.scoped(makePool({ concurrency: 1 }))
    const start = performance.now()
    yield* makePool({ concurrency: 1 })
    return performance.now() - start
  }).pipe(Effect.scoped, Effect.runPromise)

/** The time until a bare worker with the same imports has sent a message. */
const spawnBare: Measure = async () => {
  const start = performance.now()
  const worker = new Worker(bareUrl)
  await new Promise((resolve) => worker.once("message", resolve))
  const millis = performance.now() - start
  await worker.terminate()
  return millis
}

export const comparisons: ReadonlyArray<Comparison> = [
  {
    id: "worker-warm-spawn",
    unit: "ms until a worker is ready",
    ours: spawnInPool,
    peer: spawnBare,
    direction: "at most",
    target: 1.3,
    rounds: 15
  }
]
