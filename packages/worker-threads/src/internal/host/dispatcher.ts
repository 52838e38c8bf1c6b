/**
 * The workers of a pool and the queue of tasks that wait for a free worker.
 *
 * Invariants:
 * 1. While a worker is free, no task waits. Tasks are taken in the order of the queue.
 * 2. There are at least `min` workers, or the next attempt to start one is scheduled, until the dispatcher closes.
 * 3. A worker that dies is replaced at once if it has been useful. Otherwise it is replaced after a pause, which
 *    doubles with each such death in a row, up to `longestPauseMillis`. While workers can't be started, no worker is
 *    started during a pause. A worker that is ended by force counts as dead at once, because native code may delay its end.
 * 4. After `maxAttempts` failures to start in a row, a warning is logged, once until a worker has started. If no worker
 *    is left, the dispatcher gives up: queued and new tasks fail with the cause until a worker has started.
 * 5. Closing waits for every worker that was started and is not gone.
 * 6. A draining dispatcher takes the tasks of callers that waited before, and no other. It starts workers only for tasks.
 * 7. There are at most `max` active workers. A busy worker that is one too many finishes its tasks, takes no other, and then
 *    ends.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import { messageOf } from "@quiesce/core/internal"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as WorkerError from "../../WorkerError.ts"
import { Admissions, type Caller, type Ticket } from "./admissions.ts"
import { type DrainReport, Draining } from "./draining.ts"
import type { PoolCounts, PoolEvents } from "./poolEvents.ts"
import type { Parsed } from "./poolOptions.ts"
import type { PoolTask, PoolWorker, StartWorker, WorkerListener } from "./poolWorker.ts"
import type { PoolSize } from "./poolSize.ts"
import type { Status } from "./poolStatus.ts"
import { longestPauseMillis, StartFailures } from "./startFailures.ts"
import { lookAt, type QueuedTask, TaskQueue } from "./taskQueue.ts"
import { WorkerSet } from "./workerSet.ts"

const maxAttempts = 5

type State =
  | { readonly _tag: "Open" }
  | { readonly _tag: "GivenUp"; readonly error: WorkerError.WorkerError }
  | { readonly _tag: "Draining" }
  | { readonly _tag: "Closed" }

const problemOf = ({ message, reason }: WorkerError.WorkerError): string =>
  reason._tag === "WorkerExited" ? `it ended with code ${reason.code}: ${reason.problem}` : message

const poolCloses = CancelReason.shutdown({ message: "The pool's scope has closed" })
const drainEnds = CancelReason.shutdown({ message: "The pool was drained, and its time was over" })
const queueCancelled = CancelReason.interrupted({ message: "The waiting tasks of the pool were cancelled" })

export class Dispatcher<Task extends PoolTask> implements WorkerListener<Task> {
  private readonly start: StartWorker<Task>
  private readonly options: Parsed
  private readonly context: Context.Context<never>
  readonly events: PoolEvents | undefined
  private readonly workers: WorkerSet<Task> = new WorkerSet()
  private readonly queue: TaskQueue<Task> = new TaskQueue()
  private readonly admissions: Admissions = new Admissions((callers) => this.unstarted(callers))
  private readonly draining: Draining = new Draining()
  private readonly failures: StartFailures = new StartFailures(() => this.retry())
  private readonly started: Deferred.Deferred<void, WorkerError.WorkerError> = Deferred.makeUnsafe()
  private state: State = { _tag: "Open" }
  private limits: PoolSize

  /** `events` is notified of workers that leave without a request of the dispatcher. */
  constructor(start: StartWorker<Task>, options: Parsed, context: Context.Context<never>, events?: PoolEvents) {
    this.events = events
    this.context = context
    this.start = start
    this.options = options
    this.limits = { min: options.min, max: options.max }
  }

  get status(): Status {
    const { retiringCount, running, size } = this.workers
    const missing = Math.max(0, this.least - size)
    return { workers: size, retiring: retiringCount, missing, running, queued: this.queue.size, ...this.limits }
  }

  get counts(): Omit<PoolCounts, "blocked"> {
    const { counts, running, runningOnRetiring, size } = this.workers
    const queued = this.queue.size + this.admissions.size
    const places = (size - counts.starting) * this.options.concurrency + runningOnRetiring
    return { workers: counts, running, queued, places }
  }

  /** The number of workers that there are without any task. */
  private get least(): number {
    return this.state._tag === "Closed" || this.state._tag === "Draining" ? 0 : this.limits.min
  }

  /** Starts the first workers and waits until one is ready. */
  get open(): Effect.Effect<void, WorkerError.WorkerError> {
    return Effect.suspend(() => {
      this.fill()
      return this.limits.min === 0 ? Effect.void : Deferred.await(this.started)
    })
  }

  /** Ends the running tasks, each by its escalation, and then the workers. Queued tasks fail. */
  get close(): Effect.Effect<void> {
    return this.end(poolCloses)
  }

  private end(reason: CancelReason.CancelReason): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.state._tag !== "Closed") this.draining.ended(this.workers.running)
      this.state = { _tag: "Closed" }
      this.failures.reset()
      this.workers.clearTimers()
      this.rejectQueued(WorkerError.make({ _tag: "PoolClosed" }))
      const { all } = this.workers
      const tasks = all.flatMap((worker) => Array.from(worker.tasks))
      return Effect.andThen(
        Effect.forEach(tasks, (task) => task.end(reason), { concurrency: "unbounded", discard: true }),
        Effect.forEach(all, (worker) => worker.end, { concurrency: "unbounded", discard: true })
      )
    })
  }

  /**
   * Takes no new task, waits for the others and closes. After `millis` the running tasks are ended by their escalation.
   * "drop": the queued tasks fail at once.
   */
  drain(millis: number, queued: "finish" | "drop"): Effect.Effect<DrainReport> {
    return Effect.suspend(() => {
      const { admitted, size } = this.admissions
      const report = this.draining.begin(this.queue.size + size + admitted + this.workers.running)
      if (this.state._tag !== "Closed") this.state = { _tag: "Draining" }
      if (queued === "drop") this.rejectQueued(WorkerError.make({ _tag: "PoolClosed" }))
      const { whenIdle } = this.draining
      const idle = millis === Infinity ? whenIdle : Effect.timeoutOption(whenIdle, millis)
      return Effect.andThen(this.isIdle ? Effect.void : idle, Effect.andThen(this.end(drainEnds), Effect.sync(report)))
    })
  }

  private get isIdle(): boolean {
    const { admitted, size } = this.admissions
    return this.queue.size + size + admitted + this.workers.running === 0
  }

  /** Notifies the drains that wait for the last task. */
  private checkIdle(): void {
    if (this.draining.isAwaited && this.isIdle) this.draining.idle()
  }

  /** The tasks and callers that wait, in order. */
  get queued(): ReadonlyArray<QueuedTask> {
    return lookAt([...this.queue.all, ...this.admissions.all])
  }

  /** How many tasks and callers wait. */
  get unstartedCount(): number {
    return this.queue.size + this.admissions.size
  }

  /** Ends the tasks and callers that wait, and no other. Gives their number. */
  cancelQueued(reason: CancelReason.CancelReason = queueCancelled): number {
    const callers = this.admissions.cancel(reason)
    const { all } = this.queue
    for (const task of all) task.cancel(reason)
    return callers + all.length
  }

  /** Whether the dispatcher can take a task now. */
  get hasRoom(): boolean {
    const { bound } = this.options
    if (this.state._tag !== "Open") return false
    return bound === Infinity || this.queue.size + this.admissions.admitted < bound + this.openSlots
  }

  /**
   * How many more tasks the workers can take, including starting workers, and workers to be started for further tasks.
   */
  private get openSlots(): number {
    const { free, starting } = this.workers.capacity
    const started = starting + this.limits.max - this.workers.size
    return this.failures.isPausing ? free : free + started * this.options.concurrency
  }

  /** Changes the least and the greatest number of workers. Fails with `PoolClosed`. */
  resize(size: PoolSize): Effect.Effect<void, WorkerError.WorkerError> {
    return Effect.suspend(() => {
      const { _tag } = this.state
      if (_tag === "Draining" || _tag === "Closed") return Effect.fail(WorkerError.make({ _tag: "PoolClosed" }))
      this.limits = size
      for (const worker of this.workers.reinstate(size.max - this.workers.size)) this.assign(worker)
      const surplus = Math.max(0, this.workers.size - size.max)
      for (const worker of this.workers.leastBusy.slice(0, surplus)) this.retire(worker)
      this.fill()
      if (this.workers.size > this.least) for (const worker of this.workers.untimed) this.retireLater(worker)
      this.admitWaiting()
      return Effect.void
    })
  }

  /** Runs `use` when there is room for one more task, which `use` submits with the ticket. */
  admit<A, E, R>(
    caller: Caller,
    use: (ticket: Ticket | undefined) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | WorkerError.WorkerError, R> {
    return Effect.suspend((): Effect.Effect<A, E | WorkerError.WorkerError, R> => {
      if (this.hasRoom) return use(undefined)
      const refusal = this.refusal(undefined)
      if (refusal !== undefined) return Effect.fail(refusal)
      if (this.options.whenFull === "fail") {
        return Effect.fail(WorkerError.make({ _tag: "QueueFull", bound: this.options.bound }))
      }
      return this.admissions.wait(caller, use)
    })
  }

  /** Why no task is taken. */
  private refusal(ticket: Ticket | undefined): WorkerError.WorkerError | undefined {
    const isAdmitted = ticket !== undefined && this.admissions.submitted(ticket)
    const { state } = this
    if (state._tag === "Open" || (state._tag === "Draining" && isAdmitted)) return undefined
    return state._tag === "GivenUp" ? state.error : WorkerError.make({ _tag: "PoolClosed" })
  }

  /** Runs a task on the idlest worker, or queues the task. `ticket` is that of a caller who had to wait for room. */
  submit(task: Task, ticket?: Ticket): void {
    if (ticket !== undefined || this.state._tag !== "Open") {
      const refusal = this.refusal(ticket)
      if (refusal !== undefined) {
        if (ticket !== undefined) this.unstarted()
        return task.fail(refusal)
      }
      if (ticket !== undefined) task.waitingSince = ticket.waitingSince
    }
    const worker = this.workers.idlest
    if (worker !== undefined) return worker.run(task)
    const remove = this.queue.add(task)
    task.enqueued(() => {
      remove()
      this.unstarted()
    })
    // A queued task keeps the process alive.
    if (this.failures.isPausing) this.failures.keepAlive(true)
    else if (this.workers.size < this.limits.max) this.startWorker()
  }

  /** Tasks or callers have left the queue without a start. */
  private unstarted(count = 1): void {
    if (this.state._tag === "Draining" || this.state._tag === "Closed") this.draining.unstarted(count)
    this.admitWaiting()
    this.checkIdle()
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
    const { size } = this.workers
    const ready = size - this.workers.capacity.starting
    const wanted = Math.min(this.limits.max, Math.max(this.least, ready + this.queue.size)) - size
    for (let i = 0; i < wanted && !this.failures.isPausing && this.isWorking; i++) this.startWorker()
  }

  /** Whether tasks are run. */
  private get isWorking(): boolean {
    return this.state._tag === "Open" || this.state._tag === "Draining"
  }

  // ---- Called by the workers ----

  ready(worker: PoolWorker<Task>): void {
    Deferred.doneUnsafe(this.started, Effect.void)
    if (this.state._tag === "GivenUp") this.state = { _tag: "Open" }
    this.assign(worker)
    if (!this.isWorking || !this.failures.toStart) return
    // Workers can be started again, so start the others too. Further workers are room for the callers that wait.
    this.failures.reset()
    this.fill()
    this.admitWaiting()
  }

  idle(worker: PoolWorker<Task>): void {
    this.failures.workerWasUseful()
    this.assign(worker)
  }

  private assign(worker: PoolWorker<Task>): void {
    while (worker.free > 0 && !this.workers.isRetiring(worker)) {
      const next = this.queue.take()
      if (next === undefined) break
      worker.run(next)
    }
    this.admitWaiting()
    this.checkIdle()
    if (worker.tasks.size > 0) return
    if (this.workers.isRetiring(worker)) this.endWorker(worker)
    else if (this.workers.size > this.least) this.retireLater(worker)
  }

  gone(worker: PoolWorker<Task>, error: WorkerError.WorkerError | undefined): void {
    this.leaving(worker, error)
    this.workers.gone(worker)
  }

  leaving(worker: PoolWorker<Task>, error: WorkerError.WorkerError | undefined): void {
    const standing = this.workers.leave(worker)
    if (standing === undefined || this.state._tag === "Closed") return
    this.events?.workerLeft(worker, error)
    // A worker that retires, was idle for too long, or has left before, needs no successor.
    if (standing === "Active") this.replace(worker, error)
    this.admitWaiting()
    this.checkIdle()
  }

  private replace(worker: PoolWorker<Task>, error: WorkerError.WorkerError | undefined): void {
    if (error === undefined || worker.wasUsed || (worker.wasReady && this.queue.size > 0)) this.fill()
    else this.workerFailed(problemOf(error), !worker.wasReady, error.cause)
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
    if (this.state._tag === "GivenUp" && this.limits.min === 0) this.state = { _tag: "Open" }
    if (this.failures.toStart) this.startOne()
    else this.fill()
    this.admitWaiting()
  }

  /** One worker is enough to find out whether workers can be started again. */
  private startOne(): void {
    const isWanted = this.workers.size < this.least || (this.queue.size > 0 && this.workers.size < this.limits.max)
    if (isWanted && !this.workers.isStarting) this.startWorker()
  }

  /** True if the pool is still being made: its maker gets the error. */
  private giveUp(error: WorkerError.WorkerError): boolean {
    if (this.state._tag !== "Draining") this.state = { _tag: "GivenUp", error }
    this.rejectQueued(error)
    return Deferred.doneUnsafe(this.started, Effect.fail(error))
  }

  private warn(error: WorkerError.WorkerError): void {
    const { max, min } = this.limits
    const has = `A worker pool has ${this.workers.size} workers of the ${min === 0 ? `up to ${max}` : min} that it should have`
    const tries = `It goes on trying, after a pause of at most ${longestPauseMillis / 1000} seconds`
    Effect.runForkWith(this.context)(Effect.logWarning(`${has}. ${tries}. ${error.message}`))
  }

  private rejectQueued(error: WorkerError.WorkerError): void {
    // The callers first, because the end of a task makes room for a caller.
    this.admissions.refuse(error)
    for (const task of this.queue.all) task.fail(error)
  }

  private retireLater(worker: PoolWorker<Task>): void {
    this.workers.whenIdleFor(this.options.idleMillis, worker, () => {
      if (worker.tasks.size === 0 && !worker.isGone && this.workers.size > this.least) this.endWorker(worker)
    })
  }

  /** The worker takes no more tasks, and ends after its last one. */
  private retire(worker: PoolWorker<Task>): void {
    if (worker.tasks.size > 0) this.workers.retire(worker)
    else this.endWorker(worker)
  }

  /** Ends a worker without tasks, which needs no successor. */
  private endWorker(worker: PoolWorker<Task>): void {
    this.workers.leave(worker)
    Effect.runFork(worker.end)
  }

  /** Admits callers while there is room, in order. */
  private admitWaiting(): void {
    if (this.admissions.size === 0 || !this.isWorking) return
    this.admissions.admit(this.options.bound + this.openSlots - this.queue.size - this.admissions.admitted)
  }
}
