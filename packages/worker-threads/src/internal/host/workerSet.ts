/**
 * The workers of a pool.
 *
 * Invariants:
 * 1. A worker is active, then may retire, and then leaves until it is gone. Only active workers count and take tasks.
 * 2. Only an active worker has an idle timer.
 * 3. A retiring worker has tasks, or will get one of a broadcast. The worker leaves when its last task has ended.
 */
import type { PoolCounts } from "./poolEvents.ts"
import type { PoolWorker } from "./poolWorker.ts"
import type { RecycleCause } from "./recycleOptions.ts"

/** A longer timer of Node fires at once. */
const longestTimer = 0x7fffffff

/** Why a worker retires. A surplus worker may be taken back. */
export type Retirement = RecycleCause | "surplus"

/** Where a worker stood before it left. */
export type Standing = "Active" | "Retiring"

export class WorkerSet<Task> implements Iterable<PoolWorker<Task>> {
  private readonly active: Set<PoolWorker<Task>> = new Set()
  /** Workers that finish their tasks and take no other. */
  private readonly retiring: Map<PoolWorker<Task>, Retirement> = new Map()
  /** The active worker that retires when its replacement is ready. It does not count. */
  outgoing: PoolWorker<Task> | undefined = undefined
  /** Workers that are about to end: they were idle for too long, have retired, or are ended by force. */
  private readonly leavers: Set<PoolWorker<Task>> = new Set()
  private readonly idleTimers: Map<PoolWorker<Task>, NodeJS.Timeout> = new Map()

  get size(): number {
    return this.active.size - (this.outgoing === undefined ? 0 : 1)
  }

  /** How many workers are to end after their tasks. */
  get retiringCount(): number {
    return this.retiring.size + (this.outgoing === undefined ? 0 : 1)
  }

  [Symbol.iterator](): Iterator<PoolWorker<Task>> {
    return this.active.values()
  }

  /** All workers that are not gone. */
  get all(): ReadonlyArray<PoolWorker<Task>> {
    return [...this.active, ...this.retiring.keys(), ...this.leavers]
  }

  /** How many tasks run on active and retiring workers. */
  get running(): number {
    let running = 0
    for (const worker of this.active) running += worker.tasks.size
    return running + this.runningOnRetiring
  }

  private get runningOnRetiring(): number {
    let running = 0
    for (const worker of this.retiring.keys()) running += worker.tasks.size
    return running
  }

  /** The counts of workers that run so many tasks each. */
  countsAt(concurrency: number): Pick<PoolCounts, "workers" | "running" | "places"> {
    return { workers: this.counts, running: this.running, places: this.places(concurrency) }
  }

  /** The workers by state. */
  private get counts(): PoolCounts["workers"] {
    const counts = { starting: 0, idle: 0, busy: this.retiring.size, ending: this.leavers.size }
    for (const worker of this.active) counts[worker.isStarting ? "starting" : worker.tasks.size > 0 ? "busy" : "idle"]++
    return counts
  }

  /** How many tasks the workers can run at a time. A retiring worker runs those that it has. */
  private places(concurrency: number): number {
    let ready = 0
    for (const worker of this.active) if (!worker.isStarting) ready++
    return ready * concurrency + this.runningOnRetiring
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

  /** Undefined if the worker leaves already or is gone. */
  leave(worker: PoolWorker<Task>): Standing | undefined {
    const standing = this.active.delete(worker) ? "Active" : this.retiring.delete(worker) ? "Retiring" : undefined
    if (standing === undefined) return undefined
    this.leavers.add(worker)
    this.forgetTimer(worker)
    return standing
  }

  /** An active worker takes no more tasks. */
  retire(worker: PoolWorker<Task>, why: Retirement): void {
    this.active.delete(worker)
    this.retiring.set(worker, why)
    this.forgetTimer(worker)
  }

  isActive(worker: PoolWorker<Task>): boolean {
    return this.active.has(worker)
  }

  isRetiring(worker: PoolWorker<Task>): boolean {
    return this.retiring.size > 0 && this.retiring.has(worker)
  }

  /** Lets up to `count` surplus workers take tasks again, and gives those workers. */
  reinstate(count: number): ReadonlyArray<PoolWorker<Task>> {
    const surplus = Array.from(this.retiring.keys()).filter((worker) => this.retiring.get(worker) === "surplus")
    const workers = surplus.slice(0, Math.max(0, count))
    for (const worker of workers) {
      this.retiring.delete(worker)
      this.active.add(worker)
    }
    return workers
  }

  /** The active workers: first the idle ones, then the starting ones, then those with the fewest tasks. */
  get leastBusy(): ReadonlyArray<PoolWorker<Task>> {
    const work = (worker: PoolWorker<Task>): number => (worker.isStarting ? 0.5 : worker.tasks.size)
    return Array.from(this.active).toSorted((one, other) => work(one) - work(other))
  }

  private forgetTimer(worker: PoolWorker<Task>): void {
    clearTimeout(this.idleTimers.get(worker))
    this.idleTimers.delete(worker)
  }

  /** The active workers that are ready, have no task, and end at no time. */
  get untimed(): ReadonlyArray<PoolWorker<Task>> {
    return Array.from(this.active).filter(
      (worker) => !worker.isStarting && worker.tasks.size === 0 && !this.idleTimers.has(worker)
    )
  }

  gone(worker: PoolWorker<Task>): void {
    this.leavers.delete(worker)
  }

  /** Calls `retire` unless the worker is given this timer again before. Never, if no timer can wait that long. */
  whenIdleFor(millis: number, worker: PoolWorker<Task>, retire: () => void): void {
    if (millis > longestTimer) return
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
