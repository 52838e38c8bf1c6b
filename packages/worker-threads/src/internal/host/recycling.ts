/**
 * Replaces the workers of a pool that are due: after so many tasks, after so much time, or above so much heap.
 *
 * Invariants:
 * 1. A worker that is due waits for its turn. One worker at a time has its turn, while its replacement starts.
 * 2. A worker takes tasks until its replacement is ready, but never more than its limit. Then it retires.
 * 3. A replacement that does not become ready ends the turn. The worker stays due, and a later turn replaces it.
 * 4. After `close` there is no turn, and no timer is left.
 * 5. A worker that retires because it is one too many is still watched. If it becomes due, it is not taken back.
 */
import { HeapWatch } from "./heapWatch.ts"
import type { PoolWorker } from "./poolWorker.ts"
import type { RecycleCause, RecycleLimits } from "./recycleOptions.ts"
import type { Retirement, WorkerSet } from "./workerSet.ts"

/** The dispatcher's side. */
export interface Recycler<Task> {
  /** Whether a replacement can be started now. */
  readonly canReplace: boolean
  /** Whether the pool needs no replacement for the worker. */
  readonly isSurplus: (worker: PoolWorker<Task>) => boolean
  /** Starts a worker. Undefined if none can be started. */
  readonly startWorker: () => PoolWorker<Task> | undefined
  /** Admits the callers for which there is room. */
  readonly admitWaiting: () => void
  /** Lets the worker finish its tasks and end. */
  readonly recycle: (worker: PoolWorker<Task>, cause: RecycleCause) => void
  /** Starts the workers that the pool lacks after a worker has taken its last task. */
  readonly refill: () => void
}

interface Turn<Task> {
  readonly old: PoolWorker<Task>
  readonly cause: RecycleCause
  readonly replacement: PoolWorker<Task>
}

export class Recycling<Task> {
  private readonly limits: RecycleLimits
  private readonly workers: WorkerSet<Task>
  private readonly recycler: Recycler<Task>
  /** After so many tasks of a worker its replacement starts. */
  readonly early: number
  private readonly due: Map<PoolWorker<Task>, RecycleCause> = new Map()
  private turn: Turn<Task> | undefined = undefined
  private readonly ages: Map<PoolWorker<Task>, NodeJS.Timeout> = new Map()
  private readonly heaps: HeapWatch<Task>

  constructor(limits: RecycleLimits, workers: WorkerSet<Task>, recycler: Recycler<Task>) {
    this.limits = limits
    this.workers = workers
    this.recycler = recycler
    // The replacement has the time of the last tenth of the tasks to start.
    this.early = limits.tasks === Infinity ? Infinity : limits.tasks - Math.floor(limits.tasks / 10)
    this.heaps = new HeapWatch(limits.heapBytes, (worker) => this.isDue(worker, "heap"))
  }

  /** The worker is ready. */
  ready(worker: PoolWorker<Task>): void {
    // A worker may leave before it is ready.
    if (!this.workers.isActive(worker) && !this.workers.isRetiring(worker)) return
    const { ageMillis } = this.limits
    if (ageMillis !== Infinity) {
      // A worker that grows old does not keep the process alive.
      this.ages.set(worker, setTimeout(() => this.isDue(worker, "age"), ageMillis).unref())
    }
    this.heaps.add(worker)
    if (this.turn?.replacement === worker) {
      const { cause, old } = this.turn
      this.endTurn()
      this.recycler.recycle(old, cause)
    }
    this.next()
  }

  /** The worker has taken a task, and `early` tasks or more. */
  taken(worker: PoolWorker<Task>): void {
    const isExhausted = worker.taken >= this.limits.tasks
    // A worker that retires runs a broadcast. One below its limit may be taken back, and is due with its next task.
    if (!this.workers.isActive(worker) && !isExhausted) return
    if (!this.workers.isActive(worker) || !isExhausted) return this.isDue(worker, "tasks")
    const isReplaced = this.turn?.old === worker
    this.recycler.recycle(worker, "tasks")
    if (!isReplaced) this.recycler.refill()
    this.next()
    this.admitLater()
  }

  /** A worker may start in the place of one that takes no more tasks. The dispatcher may be about to run a task now. */
  private admitLater(): void {
    queueMicrotask(() => this.recycler.admitWaiting())
  }

  /** The worker retires. One that is one too many may be taken back. */
  retired(worker: PoolWorker<Task>, why: Retirement): void {
    if (why !== "surplus") return this.left(worker)
    const cause = this.due.get(worker)
    this.leaveTurn(worker)
    if (cause !== undefined) this.isDue(worker, cause)
  }

  /** The worker takes no more tasks. */
  left(worker: PoolWorker<Task>): void {
    clearTimeout(this.ages.get(worker))
    this.ages.delete(worker)
    this.heaps.delete(worker)
    this.leaveTurn(worker)
  }

  private leaveTurn(worker: PoolWorker<Task>): void {
    this.due.delete(worker)
    if (this.turn?.old === worker) this.endTurn()
    else if (this.turn?.replacement === worker) this.abort()
  }

  /** Ends the turn without a replacement. */
  abort(): void {
    if (this.turn === undefined) return
    const { cause, old } = this.turn
    this.endTurn()
    this.dueFirst(old, cause)
  }

  /** Gives the next worker its turn, if it can be replaced now. */
  next(): void {
    while (this.turn === undefined && this.recycler.canReplace) {
      const [first] = this.due
      if (first === undefined) return
      const [old, cause] = first
      this.due.delete(old)
      if (this.recycler.isSurplus(old)) this.recycler.recycle(old, cause)
      else {
        const replacement = this.recycler.startWorker()
        if (replacement === undefined) return this.dueFirst(old, cause)
        this.turn = { old, cause, replacement }
        this.workers.outgoing = old
        this.admitLater()
      }
    }
  }

  close(): void {
    for (const timer of this.ages.values()) clearTimeout(timer)
    this.ages.clear()
    this.heaps.close()
    this.due.clear()
    this.endTurn()
  }

  private isDue(worker: PoolWorker<Task>, cause: RecycleCause): void {
    if (this.workers.isRetiring(worker)) return this.workers.retire(worker, cause)
    if (this.due.has(worker) || this.turn?.old === worker) return
    this.due.set(worker, cause)
    this.next()
  }

  private dueFirst(worker: PoolWorker<Task>, cause: RecycleCause): void {
    const others = Array.from(this.due)
    this.due.clear()
    for (const [one, why] of [[worker, cause] as const, ...others]) this.due.set(one, why)
  }

  private endTurn(): void {
    this.turn = undefined
    this.workers.outgoing = undefined
  }
}
