/**
 * The workers of a pool and the queue of tasks that wait for a free worker.
 *
 * Invariants:
 * 1. While a worker is free, no task waits. Tasks are taken in the order in which they came.
 * 2. There are at least `min` workers, or the next attempt to start one is scheduled, until the dispatcher closes.
 * 3. A worker that dies is replaced at once if it has been useful. Otherwise it is replaced after a pause, which
 *    doubles with each such death in a row, up to `longestPauseMillis`. While workers can't be started, no worker is
 *    started during a pause. A worker that is ended by force counts as dead at once, because native code may delay its end.
 * 4. After `maxAttempts` failures to start in a row, a warning is logged, once until a worker has started. If no worker
 *    is left, the dispatcher gives up: queued and new tasks fail with the cause until a worker has started.
 * 5. Closing waits for every worker that was started and is not gone.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import { messageOf } from "@quiesce/core/internal"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as WorkerError from "../../WorkerError.ts"
import { Admissions } from "./admissions.ts"
import type { PoolCounts, PoolEvents } from "./poolEvents.ts"
import type { Parsed } from "./poolOptions.ts"
import type { PoolTask, PoolWorker, StartWorker, WorkerListener } from "./poolWorker.ts"
import { longestPauseMillis, StartFailures } from "./startFailures.ts"
import { TaskQueue } from "./taskQueue.ts"
import { WorkerSet } from "./workerSet.ts"

const maxAttempts = 5

type State =
  | { readonly _tag: "Open" }
  | { readonly _tag: "GivenUp"; readonly error: WorkerError.WorkerError }
  | { readonly _tag: "Closed" }

const problemOf = ({ message, reason }: WorkerError.WorkerError): string =>
  reason._tag === "WorkerExited" ? `it ended with code ${reason.code}: ${reason.problem}` : message

export interface Status {
  readonly workers: number
  readonly missing: number
  readonly running: number
  readonly queued: number
}

const poolCloses = CancelReason.shutdown({ message: "The pool's scope has closed" })

export class Dispatcher<Task extends PoolTask> implements WorkerListener<Task> {
  private readonly start: StartWorker<Task>
  private readonly options: Parsed
  private readonly context: Context.Context<never>
  readonly events: PoolEvents | undefined
  private readonly workers: WorkerSet<Task> = new WorkerSet()
  private readonly queue: TaskQueue<Task> = new TaskQueue()
  private readonly admissions: Admissions = new Admissions()
  private readonly failures: StartFailures = new StartFailures(() => this.retry())
  private readonly started: Deferred.Deferred<void, WorkerError.WorkerError> = Deferred.makeUnsafe()
  private state: State = { _tag: "Open" }

  /** `events` is notified of workers that leave without a request of the dispatcher. */
  constructor(start: StartWorker<Task>, options: Parsed, context: Context.Context<never>, events?: PoolEvents) {
    this.events = events
    this.context = context
    this.start = start
    this.options = options
  }

  get status(): Status {
    const { running, size } = this.workers
    const missing = this.state._tag === "Closed" ? 0 : Math.max(0, this.options.min - size)
    return { workers: size, missing, running, queued: this.queue.size }
  }

  get counts(): PoolCounts {
    const { counts, running, size } = this.workers
    const queued = this.queue.size + this.admitting
    return { workers: counts, running, queued, places: (size - counts.starting) * this.options.concurrency }
  }

  /** Starts the first workers and waits until one is ready. */
  get open(): Effect.Effect<void, WorkerError.WorkerError> {
    return Effect.suspend(() => {
      this.fill()
      return this.options.min === 0 ? Effect.void : Deferred.await(this.started)
    })
  }

  /** Ends the running tasks, each by its escalation, and then the workers. Queued tasks fail. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.state = { _tag: "Closed" }
      this.failures.reset()
      this.workers.clearTimers()
      this.rejectQueued(WorkerError.make({ _tag: "PoolClosed" }))
      const { all } = this.workers
      const tasks = all.flatMap((worker) => Array.from(worker.tasks))
      return Effect.andThen(
        Effect.forEach(tasks, (task) => task.end(poolCloses), { concurrency: "unbounded", discard: true }),
        Effect.forEach(all, (worker) => worker.end, { concurrency: "unbounded", discard: true })
      )
    })
  }

  /** Whether the dispatcher can take a task now. */
  get hasRoom(): boolean {
    const { bound } = this.options
    return this.state._tag === "Open" && (bound === Infinity || this.queue.size < bound + this.openSlots)
  }

  /**
   * How many more tasks the workers can take, including starting workers, and workers to be started for further tasks.
   */
  private get openSlots(): number {
    const { concurrency, max } = this.options
    const { free, starting } = this.workers.capacity
    return this.failures.isPausing ? free : free + (starting + max - this.workers.size) * concurrency
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
      return Effect.andThen(this.admissions.next, this.admit())
    })
  }

  /** How many callers wait for room in the queue. */
  get admitting(): number {
    return this.admissions.size
  }

  /** Runs a task on the idlest worker, or queues the task. */
  submit(task: Task): void {
    const worker = this.workers.idlest
    if (worker !== undefined) return worker.run(task)
    const remove = this.queue.add(task)
    task.enqueued(() => {
      remove()
      this.admitWaiting()
    })
    if (this.state._tag === "GivenUp") return task.fail(this.state.error)
    if (this.state._tag === "Closed") return task.fail(WorkerError.make({ _tag: "PoolClosed" }))
    // A queued task keeps the process alive.
    if (this.failures.isPausing) this.failures.keepAlive(true)
    else if (this.workers.size < this.options.max) this.startWorker()
  }

  private startWorker(): void {
    try {
      this.workers.add(this.start(this))
    } catch (cause) {
      if (cause instanceof WorkerError.WorkerError) this.refused(cause)
      else this.workerFailed(messageOf(cause), true, cause)
    }
  }

  /** The options can't start a worker, so a further attempt would be in vain. */
  private refused(error: WorkerError.WorkerError): void {
    if (this.workers.size > 0 || !this.giveUp(error)) this.warn(error)
  }

  /** Starts missing workers, and further workers for the queue. */
  private fill(): void {
    const { max, min } = this.options
    const wanted = Math.min(max, Math.max(min, this.workers.size + this.queue.size)) - this.workers.size
    for (let i = 0; i < wanted && !this.failures.isPausing && this.state._tag === "Open"; i++) this.startWorker()
  }

  // ---- Called by the workers ----

  ready(worker: PoolWorker<Task>): void {
    Deferred.doneUnsafe(this.started, Effect.void)
    if (this.state._tag === "GivenUp") this.state = { _tag: "Open" }
    this.assign(worker)
    if (this.state._tag !== "Open" || !this.failures.toStart) return
    // Workers can be started again, so start the others too.
    this.failures.reset()
    this.fill()
  }

  idle(worker: PoolWorker<Task>): void {
    this.failures.workerWasUseful()
    this.assign(worker)
  }

  private assign(worker: PoolWorker<Task>): void {
    while (worker.free > 0) {
      const next = this.queue.take()
      if (next === undefined) break
      worker.run(next)
    }
    this.admitWaiting()
    if (worker.tasks.size === 0 && this.workers.size > this.options.min) this.retireLater(worker)
  }

  gone(worker: PoolWorker<Task>, error: WorkerError.WorkerError | undefined): void {
    this.leaving(worker, error)
    this.workers.gone(worker)
  }

  leaving(worker: PoolWorker<Task>, error: WorkerError.WorkerError | undefined): void {
    // A worker that was idle for too long, or has left before, needs no successor.
    if (!this.workers.leave(worker)) return
    if (this.state._tag === "Closed") return
    this.events?.workerLeft(worker, error)
    if (error === undefined || worker.wasUsed || (worker.wasReady && this.queue.size > 0)) this.fill()
    else this.workerFailed(problemOf(error), !worker.wasReady, error.cause)
    this.admitWaiting()
  }

  /** A worker died before it was useful. */
  private workerFailed(problem: string, toStart: boolean, cause: unknown): void {
    if (!this.failures.add(toStart)) return
    const { count } = this.failures
    if (toStart && count >= maxAttempts) {
      const error = WorkerError.make({ _tag: "SpawnFailed", attempts: count, problem }, cause)
      const failsOpen = this.workers.size === 0 && this.giveUp(error)
      if (count === maxAttempts && !failsOpen) this.warn(error)
    }
    // Only waiting callers keep the process alive.
    if (Deferred.isDoneUnsafe(this.started) && this.queue.size === 0) this.failures.keepAlive(false)
  }

  private retry(): void {
    if (this.state._tag === "GivenUp" && this.options.min === 0) this.state = { _tag: "Open" }
    if (this.failures.toStart) this.startOne()
    else this.fill()
    this.admitWaiting()
  }

  /** One worker is enough to find out whether workers can be started again. */
  private startOne(): void {
    const isWanted =
      this.workers.size < this.options.min || (this.queue.size > 0 && this.workers.size < this.options.max)
    if (isWanted && !this.workers.isStarting) this.startWorker()
  }

  /** True if the pool is still being made: its maker gets the error. */
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
    for (const task of this.queue.all) task.fail(error)
    this.admissions.admit(Infinity)
  }

  private retireLater(worker: PoolWorker<Task>): void {
    this.workers.whenIdleFor(this.options.idleMillis, worker, () => this.retire(worker))
  }

  /** Ends a worker that has been idle for long enough. */
  private retire(worker: PoolWorker<Task>): void {
    if (worker.tasks.size > 0 || worker.isGone || this.workers.size <= this.options.min) return
    this.workers.leave(worker)
    Effect.runFork(worker.end)
  }

  /** Admits callers while there is room, in order. Each caller checks again whether there is room. */
  private admitWaiting(): void {
    if (this.admissions.size === 0) return
    this.admissions.admit(this.options.bound + this.openSlots - this.queue.size)
  }
}
