/**
 * The workers of a pool and the line of tasks that wait for one.
 *
 * Invariants:
 * 1. While a worker is free nobody waits; tasks are taken in the order in which they came.
 * 2. There are at least `min` workers, or the next attempt to start one is under way, until the dispatcher closes.
 * 3. A worker that dies is replaced: at once, if it had been of use; else after a pause that doubles with each such
 *    death in a row, up to `longestPauseMillis`. While workers can't be started, a pause is for all of them.
 * 4. After `attempts` failures to start in a row this is logged, once until one has started. If no worker is left, the
 *    dispatcher gives up: whoever waits and whoever comes is told why, until one has started.
 * 5. Closing waits for every worker that was ever started and is not gone.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as WorkerError from "../../WorkerError.ts"
import type { Parsed } from "./poolOptions.ts"
import { messageOf } from "../wire/errorText.ts"
import type { PoolTask, PoolWorker, StartWorker, WorkerListener } from "./poolWorker.ts"

const maxAttempts = 5
const firstPauseMillis = 20
const longestPauseMillis = 30_000

type State =
  | { readonly _tag: "Open" }
  | { readonly _tag: "GivenUp"; readonly error: WorkerError.WorkerError }
  | { readonly _tag: "Closed" }

/** Deaths in a row of workers that were of no use. */
interface Failures {
  readonly count: number
  /** Whether the last one was never ready. */
  readonly toStart: boolean
  /** Set until the next attempt. */
  readonly pause: NodeJS.Timeout | undefined
}

const noFailures: Failures = { count: 0, toStart: false, pause: undefined }

const problemOf = ({ message, reason }: WorkerError.WorkerError): string =>
  reason._tag === "WorkerExited" ? `it ended with code ${reason.code}: ${reason.problem}` : message

export interface Status {
  readonly workers: number
  readonly missing: number
  readonly running: number
  readonly queued: number
}

const poolCloses = CancelReason.shutdown("The pool's scope has closed")

export class Dispatcher<Task extends PoolTask> implements WorkerListener<Task> {
  private readonly start: StartWorker<Task>
  private readonly options: Parsed
  private readonly context: Context.Context<never>
  private readonly workers: Set<PoolWorker<Task>> = new Set()
  /** Those that nobody needed, on their way out. */
  private readonly retiring: Set<PoolWorker<Task>> = new Set()
  private readonly queue: Set<Task> = new Set()
  /** Callers that wait for room in the line. */
  private readonly admissions: Set<() => void> = new Set()
  /** When workers that nobody needs will have been idle for long enough. */
  private readonly retirements: Map<PoolWorker<Task>, NodeJS.Timeout> = new Map()
  private readonly started: Deferred.Deferred<void, WorkerError.WorkerError> = Deferred.makeUnsafe()
  private state: State = { _tag: "Open" }
  private failures: Failures = noFailures

  constructor(start: StartWorker<Task>, options: Parsed, context: Context.Context<never>) {
    this.context = context
    this.start = start
    this.options = options
  }

  get status(): Status {
    let running = 0
    for (const worker of this.workers) running += worker.tasks.size
    const missing = this.state._tag === "Closed" ? 0 : Math.max(0, this.options.min - this.workers.size)
    return { workers: this.workers.size, missing, running, queued: this.queue.size }
  }

  /** Starts the first workers and waits until one is ready. */
  get open(): Effect.Effect<void, WorkerError.WorkerError> {
    return Effect.suspend(() => {
      this.fill()
      return this.options.min === 0 ? Effect.void : Deferred.await(this.started)
    })
  }

  /** Ends the tasks that run, each by its escalation, and then the workers. Those in line are told. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.state = { _tag: "Closed" }
      this.resetFailures()
      for (const timer of this.retirements.values()) clearTimeout(timer)
      this.retirements.clear()
      this.rejectQueued(WorkerError.make({ _tag: "PoolClosed" }))
      const all = [...this.workers, ...this.retiring]
      const tasks = all.flatMap((worker) => Array.from(worker.tasks))
      return Effect.andThen(
        Effect.forEach(tasks, (task) => task.end(poolCloses), { concurrency: "unbounded", discard: true }),
        Effect.forEach(all, (worker) => worker.end, { concurrency: "unbounded", discard: true })
      )
    })
  }

  /** Whether a task can be taken right now. */
  get hasRoom(): boolean {
    const { bound } = this.options
    return this.state._tag === "Open" && (bound === Infinity || this.queue.size < bound + this.openSlots)
  }

  /** How many more tasks the workers can take: those that are ready, are being started, or would be for one more. */
  private get openSlots(): number {
    const { concurrency, max } = this.options
    let open = 0
    let starting = max - this.workers.size
    for (const worker of this.workers) {
      if (worker.isStarting) starting++
      else open += worker.free
    }
    return this.isPausing ? open : open + starting * concurrency
  }

  /** Completes when there is room for one more task. */
  admit(): Effect.Effect<void, WorkerError.WorkerError> {
    return Effect.suspend((): Effect.Effect<void, WorkerError.WorkerError> => {
      if (this.state._tag === "GivenUp") return Effect.fail(this.state.error)
      if (this.state._tag === "Closed") return Effect.fail(WorkerError.make({ _tag: "PoolClosed" }))
      if (this.hasRoom) return Effect.void
      if (this.options.whenFull === "fail") {
        return Effect.fail(WorkerError.make({ _tag: "QueueFull", bound: this.options.bound }))
      }
      return Effect.andThen(this.room, this.admit())
    })
  }

  private get room(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const admit = () => resume(Effect.void)
      this.admissions.add(admit)
      return Effect.sync(() => {
        this.admissions.delete(admit)
      })
    })
  }

  /** Has a task run by a free worker, or puts it in line. */
  submit(task: Task): void {
    const worker = this.findIdlest()
    if (worker !== undefined) return worker.run(task)
    this.queue.add(task)
    task.enqueued(() => {
      this.queue.delete(task)
      this.admitWaiting()
    })
    if (this.state._tag === "GivenUp") return task.fail(this.state.error)
    if (this.state._tag === "Closed") return task.fail(WorkerError.make({ _tag: "PoolClosed" }))
    // The process has something to wait for again.
    if (this.isPausing) this.failures.pause?.ref()
    else if (this.workers.size < this.options.max) this.startWorker()
  }

  private get isPausing(): boolean {
    return this.failures.pause !== undefined && this.failures.toStart
  }

  private findIdlest(): PoolWorker<Task> | undefined {
    let best: PoolWorker<Task> | undefined
    for (const worker of this.workers) {
      if (worker.free > (best?.free ?? 0)) best = worker
    }
    return best
  }

  private startWorker(): void {
    try {
      this.workers.add(this.start(this))
    } catch (cause) {
      this.workerFailed(messageOf(cause), true)
    }
  }

  /** Starts as many as are missing, and as the line can use. */
  private fill(): void {
    const { max, min } = this.options
    const wanted = Math.min(max, Math.max(min, this.workers.size + this.queue.size)) - this.workers.size
    for (let i = 0; i < wanted && !this.isPausing; i++) this.startWorker()
  }

  // ---- What the workers say ----

  ready(worker: PoolWorker<Task>): void {
    Deferred.doneUnsafe(this.started, Effect.void)
    if (this.state._tag === "GivenUp") this.state = { _tag: "Open" }
    this.assign(worker)
    if (this.state._tag !== "Open" || !this.failures.toStart) return
    // The attempt has succeeded: there may be more.
    this.resetFailures()
    this.fill()
  }

  idle(worker: PoolWorker<Task>): void {
    // That one is of use says nothing about whether others can be started.
    if (this.failures.count > 0 && !this.failures.toStart) this.failures = { ...this.failures, count: 0 }
    this.assign(worker)
  }

  private assign(worker: PoolWorker<Task>): void {
    while (worker.free > 0) {
      const [next] = this.queue
      if (next === undefined) break
      this.queue.delete(next)
      worker.run(next)
    }
    this.admitWaiting()
    if (worker.tasks.size === 0 && this.workers.size > this.options.min) this.retireLater(worker)
  }

  gone(worker: PoolWorker<Task>, error: WorkerError.WorkerError | undefined): void {
    this.workers.delete(worker)
    this.retiring.delete(worker)
    clearTimeout(this.retirements.get(worker))
    this.retirements.delete(worker)
    if (this.state._tag === "Closed") return
    if (error === undefined || worker.wasUsed || (worker.wasReady && this.queue.size > 0)) this.fill()
    else this.workerFailed(problemOf(error), !worker.wasReady)
    this.admitWaiting()
  }

  /** A worker died before it was of any use. */
  private workerFailed(problem: string, toStart: boolean): void {
    const { failures } = this
    // Those that were started together fail together.
    if (failures.pause !== undefined && (failures.toStart || !toStart)) return
    clearTimeout(failures.pause)
    const count = failures.count + 1
    const pause = setTimeout(this.retry, Math.min(firstPauseMillis * 2 ** (count - 1), longestPauseMillis))
    this.failures = { count, toStart, pause }
    if (toStart && count >= maxAttempts) {
      const error = WorkerError.make({ _tag: "SpawnFailed", attempts: count, problem })
      const failsOpen = this.workers.size === 0 && this.giveUp(error)
      if (count === maxAttempts && !failsOpen) this.warn(error)
    }
    // Only who waits for a worker keeps the process alive.
    if (Deferred.isDoneUnsafe(this.started) && this.queue.size === 0) pause.unref()
  }

  private readonly retry = (): void => {
    this.failures = { ...this.failures, pause: undefined }
    if (this.state._tag === "GivenUp" && this.options.min === 0) this.state = { _tag: "Open" }
    const isWanted =
      this.workers.size < this.options.min || (this.queue.size > 0 && this.workers.size < this.options.max)
    // One is enough to find out; then the others follow.
    if (isWanted && !this.isStarting) this.startWorker()
    this.admitWaiting()
  }

  private get isStarting(): boolean {
    for (const worker of this.workers) if (worker.isStarting) return true
    return false
  }

  private resetFailures(): void {
    clearTimeout(this.failures.pause)
    this.failures = noFailures
  }

  /** Whether it is the pool's maker who is told. */
  private giveUp(error: WorkerError.WorkerError): boolean {
    this.state = { _tag: "GivenUp", error }
    this.rejectQueued(error)
    return Deferred.doneUnsafe(this.started, Effect.fail(error))
  }

  private warn(error: WorkerError.WorkerError): void {
    const { max, min } = this.options
    const has = `A worker pool has ${this.workers.size} workers of the ${min === 0 ? `up to ${max}` : min} that it should have`
    const tries = `It goes on trying, after a pause of at most ${longestPauseMillis / 1000} seconds`
    Effect.runForkWith(this.context)(Effect.logWarning(`${has}. ${tries}. ${error.message}`))
  }

  private rejectQueued(error: WorkerError.WorkerError): void {
    for (const task of Array.from(this.queue)) task.fail(error)
    const waiting = Array.from(this.admissions)
    this.admissions.clear()
    for (const admit of waiting) admit()
  }

  private retireLater(worker: PoolWorker<Task>): void {
    const before = this.retirements.get(worker)
    if (before !== undefined) return void before.refresh()
    const timer = setTimeout(() => this.retire(worker), this.options.idleMillis)
    // A process with nothing else to do does not wait for it.
    timer.unref()
    this.retirements.set(worker, timer)
  }

  /** Ends a worker that nobody has needed for a while. */
  private retire(worker: PoolWorker<Task>): void {
    this.retirements.delete(worker)
    if (worker.tasks.size > 0 || worker.isGone || this.workers.size <= this.options.min) return
    this.workers.delete(worker)
    this.retiring.add(worker)
    Effect.runFork(worker.end)
  }

  /** Lets callers go on for which there is room, the first one first. Each looks again whether there is. */
  private admitWaiting(): void {
    if (this.admissions.size === 0) return
    let room = this.options.bound + this.openSlots - this.queue.size
    for (const admit of Array.from(this.admissions)) {
      if (room-- <= 0) return
      this.admissions.delete(admit)
      admit()
    }
  }
}
