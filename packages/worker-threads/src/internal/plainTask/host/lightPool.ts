/**
 * A pool of plain functions that is not opened: workers, and the queue of light calls. Nothing here loads Effect.
 *
 * Invariants:
 * 1. While a worker is free, no call waits for longer than a turn of the event loop. Calls are taken in the order in which
 *    they came, but for those that wait in a worker: another call may overtake them within `patienceMillis`.
 * 2. There are at most `max` workers. A worker is started only for a waiting call, beyond the first ones.
 * 3. After `handOver` there is no worker and no call.
 */
import { type QueuedTask, lookAt, TaskQueue } from "../../host/taskQueue.ts"
import { inputProblem } from "./inputProblem.ts"
import { isLight, LightCall } from "./lightCall.ts"
import { type HandedOver, LightWorker, type Owner } from "./lightWorker.ts"
import type { SpawnPlain } from "./spawnPlain.ts"
import type { RunOptions } from "./runOptions.ts"

/** How long a surplus worker is idle before it ends, in milliseconds: the default of all pools. */
const idleMillis = 10_000

/** How long a call waits in a worker before another worker takes it, in milliseconds. */
const patienceMillis = 2

export interface Limits {
  readonly min: number
  readonly max: number
  readonly concurrency: number
}

/** The pool has to be opened. */
export type NeedPool = () => void

export class LightPool implements Owner {
  private readonly spawn: SpawnPlain
  readonly limits: Limits
  readonly needsPool: NeedPool
  private readonly workers: Set<LightWorker> = new Set()
  private readonly queue: TaskQueue<LightCall> = new TaskQueue()
  /** How many calls have run and ended before the pool was opened. */
  finished = 0
  private handedOver = 0
  private isBalancing = false
  private idleTimers: WeakMap<LightWorker, NodeJS.Timeout> | undefined = undefined

  constructor(spawn: SpawnPlain, limits: Limits, needsPool: NeedPool) {
    this.spawn = spawn
    this.limits = limits
    this.needsPool = needsPool
  }

  /** Starts workers that load the module at `url` before they are asked for its function. */
  start(count: number, url: string): void {
    for (let i = 0; i < count; i++) {
      try {
        this.workers.add(new LightWorker(this.spawn, this.limits.concurrency, url, this))
      } catch {
        // The pool tries again, and reports the problem.
        return this.needsPool()
      }
    }
  }

  /** Whether the pool can take a call without Effect. */
  static takes(input: unknown, options: RunOptions | undefined): boolean {
    return isLight(options) && inputProblem(input) === undefined
  }

  run(url: string, input: unknown, options: RunOptions | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = new LightCall(url, input, options, resolve, reject)
      call.watch(this.aborted)
      const worker = this.idlest
      if (worker === undefined) this.enqueue(call)
      else this.give(worker, call)
    })
  }

  get size(): number {
    return this.workers.size
  }

  /** How many calls wait. */
  get waiting(): number {
    let waiting = this.queue.size
    for (const worker of this.workers) waiting += worker.waiting.length
    return waiting
  }

  get running(): number {
    let running = 0
    for (const worker of this.workers) running += worker.size
    return running
  }

  get queued(): ReadonlyArray<QueuedTask> {
    return lookAt(inOrder([...this.workers].flatMap(({ waiting }) => waiting).concat(this.queue.all)))
  }

  get isIdle(): boolean {
    return this.waiting === 0 && this.running === 0
  }

  private get idlest(): LightWorker | undefined {
    let best: LightWorker | undefined
    for (const worker of this.workers) if (worker.free > (best?.free ?? 0)) best = worker
    return best
  }

  private enqueue(call: LightCall): void {
    call.leave = this.queue.add(call)
    if (this.workers.size < this.limits.max) this.start(1, call.url)
    for (const worker of this.workers) if (worker.isStarting) worker.awaited(true)
    const worker = this.leastAwaited
    if (worker !== undefined) this.sendAhead(worker)
  }

  /** The worker in which the fewest calls wait, of those that take further ones. */
  private get leastAwaited(): LightWorker | undefined {
    let best: LightWorker | undefined
    for (const worker of this.workers) {
      if (worker.canWait && worker.waiting.length < (best?.waiting.length ?? Infinity)) best = worker
    }
    return best
  }

  /** Lets calls wait in a worker, so that it need not wait for this thread. */
  private sendAhead(worker: LightWorker): void {
    while (worker.canWait) {
      const overdue = this.overdue(worker)
      const next = overdue ?? this.queue.first
      if (next === undefined) return
      if (worker.runLater(next)) next.leave?.()
      else {
        if (overdue !== undefined) overdue.leave = this.queue.add(overdue)
        return
      }
    }
  }

  /** A call that has waited in another worker for too long. */
  private overdue(worker: LightWorker): LightCall | undefined {
    const now = performance.now()
    for (const other of this.workers) {
      if (other === worker || other.delay(now) < patienceMillis) continue
      const [call] = other.takeBack(1)
      if (call !== undefined) return call
    }
    return undefined
  }

  /** Free workers take the calls that wait in others. */
  private readonly balance = (): void => {
    this.isBalancing = false
    for (const worker of this.workers) {
      for (const other of this.workers) {
        while (worker.free > 0 && other.waiting.length > 0) {
          const [call] = other.takeBack(1)
          if (call !== undefined) this.give(worker, call)
        }
      }
    }
  }

  /** A call whose input can't be cloned goes on to the pool, which says so. */
  private give(worker: LightWorker, call: LightCall): void {
    try {
      worker.run(call)
    } catch {
      call.leave = this.queue.add(call)
      this.needsPool()
    }
  }

  free(worker: LightWorker): void {
    while (worker.free > 0) {
      const next = this.overdue(worker) ?? this.queue.take()
      if (next === undefined) break
      this.give(worker, next)
    }
    this.sendAhead(worker)
    // The next calls may come within this turn.
    if (worker.free > 0 && this.waiting > 0 && !this.isBalancing) {
      this.isBalancing = true
      setImmediate(this.balance)
    }
    if (worker.size === 0 && this.workers.size > this.limits.min) this.retireLater(worker)
  }

  ended(): void {
    this.finished++
  }

  private readonly aborted = (call: LightCall): void => {
    if (call.id === 0) {
      call.leave?.()
      return call.fail(call.signal?.reason)
    }
    for (const worker of this.workers) {
      if (!worker.cancel(call)) continue
      call.fail(call.signal?.reason)
      return this.free(worker)
    }
    this.needsPool()
  }

  private retireLater(worker: LightWorker): void {
    this.idleTimers ??= new WeakMap()
    const before = this.idleTimers.get(worker)
    if (before !== undefined) return void before.refresh()
    const retire = (): void => {
      if (worker.size > 0 || this.workers.size <= this.limits.min || !this.workers.delete(worker)) return
      void worker.end()
    }
    // An idle worker does not keep the process alive.
    this.idleTimers.set(worker, setTimeout(retire, idleMillis).unref())
  }

  /** Ends the workers of an idle pool. */
  async close(): Promise<void> {
    const ends = Array.from(this.workers, (worker) => worker.end())
    this.workers.clear()
    await Promise.all(ends)
  }

  /** The calls that wait, for the pool. */
  takeQueued(): ReadonlyArray<LightCall> {
    const all = [...this.workers].flatMap((worker) => worker.takeBack(Infinity)).concat(this.queue.all)
    while (this.queue.take() !== undefined);
    return inOrder(all)
  }

  /** The workers with their calls, for the pool. */
  handOver(): ReadonlyArray<HandedOver> {
    this.handedOver = this.running
    const workers = Array.from(this.workers, (worker) => worker.handOver())
    this.workers.clear()
    return workers.filter((worker) => worker !== undefined)
  }

  /** The pool is open, and runs so many of the calls that it has taken over. The others have ended meanwhile. */
  opened(running: number): void {
    this.finished += this.handedOver - running
  }

  /** Ends the workers and their calls, because no pool can take them over. */
  abandon(cause: unknown): void {
    for (const worker of this.workers) worker.abandon(cause)
    this.workers.clear()
  }
}

/** The calls that wait, in the order in which they came. */
const inOrder = (calls: ReadonlyArray<LightCall>): ReadonlyArray<LightCall> =>
  calls.toSorted((one, other) => one.waitingSince - other.waitingSince)
