import { Worker } from "node:worker_threads"
import { WorkerPool } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { Tasks } from "./fixtures/contract.ts"

const url = new URL("./fixtures/tasks.worker.ts", import.meta.url)

/** A pool of one worker, unless the options ask for more. */
export const makePool = (options?: Partial<WorkerPool.Options>) =>
  WorkerPool.make(Tasks, { spawn: (options) => new Worker(url, options), size: 1, ...options })

/** Waits until a worker has set a cell. */
export const whenSet = (cells: Int32Array<SharedArrayBuffer>, index: number): Effect.Effect<void> =>
  Effect.promise(async () => {
    while (Atomics.load(cells, index) === 0) {
      const waiting = Atomics.waitAsync(cells, index, 0)
      if (waiting.async) await waiting.value
    }
  })
