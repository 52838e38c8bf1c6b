/**
 * Measures the heaps of workers now and then. The engine answers within 0.2 ms, also while the worker is busy, and the worker
 * needs no code for that. So a task costs nothing.
 *
 * Invariants:
 * 1. A worker has at most one question open. Native code may delay the answer.
 * 2. A worker that had no task since the last answer is not measured again.
 * 3. After `close` no timer is left.
 */
import type { PoolWorker } from "./poolWorker.ts"

type State =
  | { readonly _tag: "Unknown" }
  | { readonly _tag: "Asked" }
  /** The heap was small after so many tasks. */
  | { readonly _tag: "Small"; readonly taken: number }

const unknown: State = { _tag: "Unknown" }

const lookMillis = 1000

export class HeapWatch<Task> {
  private readonly bytes: number
  private readonly onAbove: (worker: PoolWorker<Task>) => void
  private readonly workers: Map<PoolWorker<Task>, State> = new Map()
  private timer: NodeJS.Timeout | undefined = undefined

  /** `onAbove` is called for a worker whose heap has more than `bytes`. */
  constructor(bytes: number, onAbove: (worker: PoolWorker<Task>) => void) {
    this.bytes = bytes
    this.onAbove = onAbove
  }

  add(worker: PoolWorker<Task>): void {
    if (this.bytes === Infinity) return
    this.workers.set(worker, unknown)
    this.timer ??= setInterval(() => this.lookAtAll(), lookMillis).unref()
  }

  delete(worker: PoolWorker<Task>): void {
    this.workers.delete(worker)
  }

  close(): void {
    clearInterval(this.timer)
    this.timer = undefined
    this.workers.clear()
  }

  private lookAtAll(): void {
    for (const [worker, state] of this.workers) {
      const isUnchanged = state._tag === "Small" && state.taken === worker.taken && worker.tasks.size === 0
      if (state._tag !== "Asked" && !isUnchanged) void this.lookAt(worker)
    }
  }

  private async lookAt(worker: PoolWorker<Task>): Promise<void> {
    const { taken } = worker
    this.workers.set(worker, { _tag: "Asked" })
    const bytes = await heapOf(worker)
    if (!this.workers.has(worker)) return
    this.workers.set(worker, bytes === undefined ? unknown : { _tag: "Small", taken })
    if (bytes !== undefined && bytes > this.bytes) this.onAbove(worker)
  }
}

/** Undefined if the worker has ended meanwhile. */
const heapOf = async ({ worker }: Pick<PoolWorker<unknown>, "worker">): Promise<number | undefined> => {
  try {
    return (await worker.getHeapStatistics()).used_heap_size
  } catch {
    return undefined
  }
}
