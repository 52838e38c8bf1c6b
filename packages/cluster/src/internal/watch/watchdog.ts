/**
 * Ends this process if its event loop is blocked for too long. A blocked runner renews nothing: other runners
 * would take its threads for lost while they still run.
 *
 * The watchdog is a thread of its own. The event loop beats in shared memory; the watchdog counts looks without a beat, and
 * not time, so that a process that was frozen has time to beat after it has woken.
 */
import { Worker } from "node:worker_threads"
import type { ShardingConfig } from "effect/cluster/ShardingConfig"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"

/** As many looks in a row see no beat before the process ends. */
const looks = 10

type Locks = Pick<ShardingConfig["Service"], "shardLockExpiration" | "shardLockRefreshInterval">

/**
 * The longest block of the event loop that no other runner notices, less a fifth; in milliseconds. Others notice that the row
 * of this runner has expired, or that a lock of the engine has. A block may begin just before a lock would be refreshed.
 */
export const limitOf = (timeToLive: number, { shardLockExpiration, shardLockRefreshInterval }: Locks): number => {
  const [expiry, pause] = [shardLockExpiration, shardLockRefreshInterval].map((given) =>
    Duration.toMillis(Duration.fromInputUnsafe(given))
  ) as [number, number]
  // An engine whose locks expire before they are refreshed keeps none, also if nothing is blocked.
  return 0.8 * Math.min(timeToLive, expiry > pause ? expiry - pause : Infinity)
}

/** Watches the event loop until the end of the scope. */
export const watch = (limitMillis: number): Effect.Effect<void, never, Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        const beats = new Int32Array(new SharedArrayBuffer(4))
        const pauseMillis = limitMillis / looks
        const timer = setInterval(() => Atomics.add(beats, 0, 1), pauseMillis / 2)
        timer.unref()
        const worker = new Worker(program, { eval: true, workerData: { beats, pauseMillis, looks, limitMillis } })
        worker.unref()
        return { timer, worker }
      }),
      ({ timer, worker }) =>
        Effect.promise(() => {
          clearInterval(timer)
          return worker.terminate()
        })
    )
  )

/** A worker can't end its process by `process.exit`. */
const program = `
const { workerData } = require("node:worker_threads")
const { writeSync } = require("node:fs")
const { beats, pauseMillis, looks, limitMillis } = workerData
const sleep = new Int32Array(new SharedArrayBuffer(4))
for (let last = -1, missed = 0; missed < looks;) {
  Atomics.wait(sleep, 0, 0, pauseMillis)
  const now = Atomics.load(beats, 0)
  missed = now === last ? missed + 1 : 0
  last = now
}
try {
  writeSync(2, "The event loop of this runner was blocked for " + limitMillis + " ms. The runner ends now, because other runners take its threads for lost. Run busy bodies in a pool: see the option pool of ClusterRunner.\\n")
} catch {}
process.kill(process.pid, "SIGKILL")
`
