/**
 * The workers of a pool.
 *
 * Invariants:
 * 1. A worker is active or leaves, until it is gone. Only active workers count and take tasks.
 * 2. Only an active worker has an idle timer.
 */
import type { PoolCounts } from "./poolEvents.ts"
import type { PoolWorker } from "./poolWorker.ts"

export class WorkerSet<Task> implements Iterable<PoolWorker<Task>> {
  private readonly active: Set<PoolWorker<Task>> = new Set()
  /** Workers that are about to end: they were idle for too long, or are ended by force. */
  private readonly leavers: Set<PoolWorker<Task>> = new Set()
  private readonly idleTimers: Map<PoolWorker<Task>, NodeJS.Timeout> = new Map()

  get size(): number {
    return this.active.size
  }

  [Symbol.iterator](): Iterator<PoolWorker<Task>> {
    return this.active.values()
  }

  /** All workers that are not gone. */
  get all(): ReadonlyArray<PoolWorker<Task>> {
    return [...this.active, ...this.leavers]
  }

  /** How many tasks run on active workers. */
  get running(): number {
    let running = 0
    for (const worker of this.active) running += worker.tasks.size
    return running
  }

  /** The workers by state. */
  get counts(): PoolCounts["workers"] {
    const counts = { starting: 0, idle: 0, busy: 0, ending: this.leavers.size }
    for (const worker of this.active) counts[worker.isStarting ? "starting" : worker.tasks.size > 0 ? "busy" : "idle"]++
    return counts
  }

  get isStarting(): boolean {
    for (const worker of this.active) if (worker.isStarting) return true
    return false
  }

  /** The worker with the most free slots; undefined if no slot is free. */
  get idlest(): PoolWorker<Task> | undefined {
    let best: PoolWorker<Task> | undefined
    for (const worker of this.active) {
      if (worker.free > (best?.free ?? 0)) best = worker
    }
    return best
  }

  /** How many slots are free, and how many workers are starting. */
  get capacity(): { readonly free: number; readonly starting: number } {
    let free = 0
    let starting = 0
    for (const worker of this.active) {
      if (worker.isStarting) starting++
      else free += worker.free
    }
    return { free, starting }
  }

  add(worker: PoolWorker<Task>): void {
    this.active.add(worker)
  }

  /** False if the worker leaves already or is gone. */
  leave(worker: PoolWorker<Task>): boolean {
    if (!this.active.delete(worker)) return false
    this.leavers.add(worker)
    clearTimeout(this.idleTimers.get(worker))
    this.idleTimers.delete(worker)
    return true
  }

  gone(worker: PoolWorker<Task>): void {
    this.leavers.delete(worker)
  }

  /** Calls `retire` unless the worker is given this timer again before. */
  whenIdleFor(millis: number, worker: PoolWorker<Task>, retire: () => void): void {
    const before = this.idleTimers.get(worker)
    if (before !== undefined) return void before.refresh()
    const timer = setTimeout(() => {
      this.idleTimers.delete(worker)
      retire()
    }, millis)
    // An idle worker does not keep the process alive.
    timer.unref()
    this.idleTimers.set(worker, timer)
  }

  clearTimers(): void {
    for (const timer of this.idleTimers.values()) clearTimeout(timer)
    this.idleTimers.clear()
  }
}
