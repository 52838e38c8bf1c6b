/**
 * The workers of a pool and the queue of tasks that wait for a free worker.
 *
 * Invariants:
 * 1. While a worker is free, no task waits. Tasks are taken in the order of the queue.
 * 2. There are at least `min` workers, or the next attempt to start one is scheduled, until the dispatcher closes.
 * 3. A worker that dies is replaced at once if it has been useful. Otherwise it is replaced after a pause, which
 *    doubles with each such death in a row, up to `longestPauseMillis`. While workers can't be started, no worker is
 *    started during a pause. A worker that is ended by force counts as dead at once, because native code may delay its end.
 * 4. If no worker is left after some failures to start in a row, the dispatcher gives up: queued and new tasks fail with the
 *    cause until a worker has started.
 * 5. Closing waits for every worker that was started and is not gone.
 * 6. A draining dispatcher takes the tasks of callers that waited before, and no other. It starts workers only for tasks.
 * 7. There are at most `max` active workers. A busy worker that is one too many finishes its tasks, takes no other, and then
 *    ends.
 * 8. While the replacement of a due worker starts, both are active, and the due one does not count. It ends as in 7.
 * 9. A task of a broadcast is the next task of its worker. If that worker leaves before, the task fails.
 */
import type * as CancelReason from "@quiesce/core/CancelReason"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as WorkerError from "../../WorkerError.ts"
import type { Caller, Ticket } from "./admissions.ts"
import { Backlog } from "./backlog.ts"
import { type DrainReport, Draining } from "./draining.ts"
import type { PoolCounts, PoolEvents } from "./poolEvents.ts"
import type { Parsed } from "./poolOptions.ts"
import type { PoolTask, PoolWorker, StartWorker } from "./poolWorker.ts"
import type { PoolSize } from "./poolSize.ts"
import { drainEnds, goneBefore, killedBefore, poolCloses, queueCancelled, refusalIn, type State } from "./poolState.ts"
import type { Status } from "./poolStatus.ts"
import type { RecycleCause } from "./recycleOptions.ts"
import { type Recycler, Recycling } from "./recycling.ts"
import type { QueuedTask } from "./taskQueue.ts"
import { type Retirement, WorkerSet } from "./workerSet.ts"
import { type Starter, WorkerStarts } from "./workerStarts.ts"

export class Dispatcher<Task extends PoolTask> implements Starter<Task>, Recycler<Task> {
  private readonly options: Parsed
  readonly events: PoolEvents | undefined
  private readonly workers: WorkerSet<Task> = new WorkerSet()
  private readonly backlog: Backlog<Task>
  private readonly draining: Draining = new Draining()
  private readonly recycling: Recycling<Task>
  private readonly starts: WorkerStarts<Task>
  private readonly started: Deferred.Deferred<void, WorkerError.WorkerError> = Deferred.makeUnsafe()
  private state: State = { _tag: "Open" }
  limits: PoolSize

  /** `events` is notified of workers that leave without a request of the dispatcher. */
  constructor(start: StartWorker<Task>, options: Parsed, context: Context.Context<never>, events?: PoolEvents) {
    this.events = events
    this.backlog = new Backlog(events, (callers) => this.unstarted(callers))
    this.options = options
    this.limits = { min: options.min, max: options.max }
    this.starts = new WorkerStarts(start, this.workers, this, context)
    this.recycling = new Recycling(options.recycle, this.workers, this)
  }

  get status(): Status {
    const { retiringCount, running, size } = this.workers
    const missing = Math.max(0, this.least - size)
    return { workers: size, retiring: retiringCount, missing, running, queued: this.backlog.tasks, ...this.limits }
  }

  get counts(): Omit<PoolCounts, "blocked"> {
    return { ...this.workers.countsAt(this.options.concurrency), queued: this.backlog.size }
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
      this.starts.failures.reset()
      this.workers.clearTimers()
      this.recycling.close()
      this.backlog.reject(WorkerError.make({ _tag: "PoolClosed" }))
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
      const report = this.draining.begin(this.backlog.expected + this.workers.running)
      if (this.state._tag !== "Closed") this.state = { _tag: "Draining" }
      if (queued === "drop") this.backlog.reject(WorkerError.make({ _tag: "PoolClosed" }))
      const { whenIdle } = this.draining
      const idle = millis === Infinity ? whenIdle : Effect.timeoutOption(whenIdle, millis)
      return Effect.andThen(this.isIdle ? Effect.void : idle, Effect.andThen(this.end(drainEnds), Effect.sync(report)))
    })
  }

  private get isIdle(): boolean {
    return this.backlog.expected + this.workers.running === 0
  }

  /** Notifies the drains that wait for the last task. */
  private checkIdle(): void {
    if (this.draining.isAwaited && this.isIdle) this.draining.idle()
  }

  /** The tasks and callers that wait, in order. */
  get queued(): ReadonlyArray<QueuedTask> {
    return this.backlog.look
  }

  /** Ends the tasks and callers that wait, and no other. Gives their number. */
  cancelQueued(reason: CancelReason.CancelReason = queueCancelled): number {
    return this.backlog.cancel(reason)
  }

  /** Whether the dispatcher can take a task now. No caller overtakes those that wait. */
  get hasRoom(): boolean {
    if (this.state._tag !== "Open") return false
    return this.options.bound === Infinity || (this.backlog.admissions.size === 0 && this.room > 0)
  }

  /** How many more callers can be admitted. */
  private get room(): number {
    return this.options.bound + this.openSlots - this.backlog.queue.size - this.backlog.admissions.admitted
  }

  /**
   * How many more tasks the workers can take, including starting workers, and workers to be started for further tasks.
   */
  private get openSlots(): number {
    const { free, starting } = this.workers.capacity
    const started = starting + this.limits.max - this.workers.size
    return this.starts.failures.isPausing ? free : free + started * this.options.concurrency
  }

  /** Changes the least and the greatest number of workers. Fails with `PoolClosed`. */
  resize(size: PoolSize): Effect.Effect<void, WorkerError.WorkerError> {
    return Effect.suspend(() => {
      const { _tag } = this.state
      if (_tag === "Draining" || _tag === "Closed") return Effect.fail(WorkerError.make({ _tag: "PoolClosed" }))
      this.limits = size
      if (this.workers.size > size.max) this.recycling.abort()
      for (const worker of this.workers.reinstate(size.max - this.workers.size)) this.assign(worker)
      const surplus = Math.max(0, this.workers.size - size.max)
      for (const worker of this.workers.leastBusy.slice(0, surplus)) this.retire(worker, "surplus")
      this.fill()
      this.recycling.next()
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
      return this.backlog.admissions.wait(caller, use)
    })
  }

  /** Why no task is taken. */
  private refusal(ticket: Ticket | undefined): WorkerError.WorkerError | undefined {
    const isAdmitted = ticket !== undefined && this.backlog.admissions.submitted(ticket)
    return refusalIn(this.state, isAdmitted)
  }

  /** The workers that a broadcast reaches, the oldest first; or why there are none. */
  get audience(): ReadonlyArray<PoolWorker<Task>> | WorkerError.WorkerError {
    return this.refusal(undefined) ?? Array.from(this.workers)
  }

  /** Runs a task on one worker, as its next task. */
  submitTo(worker: PoolWorker<Task>, task: Task): void {
    const refusal = this.refusal(undefined) ?? (this.workers.isActive(worker) ? undefined : goneBefore)
    if (refusal !== undefined) return task.fail(refusal)
    if (worker.free > 0) return this.run(worker, task)
    this.enqueued(task, this.backlog.addressed.add(worker, task))
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
    if (worker !== undefined) return this.run(worker, task)
    this.enqueued(task, this.backlog.queue.add(task))
    // A queued task keeps the process alive.
    if (this.starts.failures.isPausing) this.starts.failures.keepAlive(true)
    else if (this.workers.size < this.limits.max) this.starts.start()
  }

  /** `remove` takes the task out of the backlog. */
  private enqueued(task: Task, remove: () => void): void {
    task.enqueued(() => {
      remove()
      this.unstarted()
    })
  }

  /** Tasks or callers have left the queue without a start. */
  private unstarted(count = 1): void {
    if (this.state._tag === "Draining" || this.state._tag === "Closed") this.draining.unstarted(count)
    this.admitWaiting()
    this.checkIdle()
  }

  private run(worker: PoolWorker<Task>, task: Task): void {
    worker.run(task)
    if (worker.taken >= this.recycling.early) this.recycling.taken(worker)
  }

  /** Starts missing workers, and further workers for the queue. */
  private fill(): void {
    const { size } = this.workers
    const ready = size - this.workers.capacity.starting
    const wanted = Math.min(this.limits.max, Math.max(this.least, ready + this.backlog.queue.size)) - size
    for (let i = 0; i < wanted && !this.starts.failures.isPausing && this.isWorking; i++) this.starts.start()
  }

  /** Whether tasks are run. */
  private get isWorking(): boolean {
    return this.state._tag === "Open" || this.state._tag === "Draining"
  }

  // ---- Called by the workers ----

  ready(worker: PoolWorker<Task>): void {
    Deferred.doneUnsafe(this.started, Effect.void)
    if (this.state._tag === "GivenUp") this.state = { _tag: "Open" }
    const failedBefore = this.isWorking && this.starts.failures.toStart
    if (failedBefore) this.starts.failures.reset()
    this.recycling.ready(worker)
    this.assign(worker)
    if (!failedBefore) return
    // Workers can be started again, so start the others too. Further workers are room for the callers that wait.
    this.fill()
    this.admitWaiting()
  }

  idle(worker: PoolWorker<Task>): void {
    this.starts.failures.workerWasUseful()
    this.assign(worker)
  }

  private assign(worker: PoolWorker<Task>): void {
    while (worker.free > 0) {
      const next = this.nextFor(worker)
      if (next === undefined) break
      this.run(worker, next)
    }
    this.admitWaiting()
    this.checkIdle()
    if (worker.tasks.size > 0) return
    if (this.workers.isRetiring(worker)) this.endWorker(worker)
    else if (this.workers.size > this.least) this.retireLater(worker)
  }

  /** The tasks of broadcasts come first. */
  private nextFor(worker: PoolWorker<Task>): Task | undefined {
    const addressed = this.backlog.addressed.take(worker)
    return addressed !== undefined || this.workers.isRetiring(worker) ? addressed : this.backlog.queue.take()
  }

  gone(worker: PoolWorker<Task>, error: WorkerError.WorkerError | undefined): void {
    this.leaving(worker, error)
    this.workers.gone(worker)
  }

  leaving(worker: PoolWorker<Task>, error: WorkerError.WorkerError | undefined): void {
    const standing = this.workers.leave(worker)
    this.recycling.left(worker)
    for (const task of this.backlog.addressed.for(worker)) task.fail(error ?? killedBefore)
    if (standing === undefined || this.state._tag === "Closed") return
    this.events?.workerLeft(worker, error, standing === "Active")
    // A worker that retires, was idle for too long, or has left before, needs no successor.
    if (standing === "Active") this.replace(worker, error)
    this.recycling.next()
    this.admitWaiting()
    this.checkIdle()
  }

  private replace(worker: PoolWorker<Task>, error: WorkerError.WorkerError | undefined): void {
    if (error === undefined || worker.taken > 0 || (worker.wasReady && this.backlog.queue.size > 0)) this.fill()
    else this.starts.died(worker, error)
  }

  get isAwaited(): boolean {
    return !Deferred.isDoneUnsafe(this.started) || this.backlog.queue.size > 0
  }

  retry(): void {
    if (this.state._tag === "GivenUp" && this.limits.min === 0) this.state = { _tag: "Open" }
    if (this.starts.failures.toStart) this.startOne()
    else this.fill()
    this.recycling.next()
    this.admitWaiting()
  }

  /** One worker is enough to find out whether workers can be started again. */
  private startOne(): void {
    const isWanted =
      this.workers.size < this.least || (this.backlog.queue.size > 0 && this.workers.size < this.limits.max)
    if (isWanted && !this.workers.isStarting) this.starts.start()
  }

  giveUp(error: WorkerError.WorkerError): boolean {
    if (this.state._tag !== "Draining") this.state = { _tag: "GivenUp", error }
    this.backlog.reject(error)
    return Deferred.doneUnsafe(this.started, Effect.fail(error))
  }

  private retireLater(worker: PoolWorker<Task>): void {
    this.workers.whenIdleFor(this.options.idleMillis, worker, () => {
      if (worker.tasks.size === 0 && !worker.isGone && this.workers.size > this.least) this.endWorker(worker)
    })
  }

  /** The worker takes no more tasks, and ends after its last one. */
  private retire(worker: PoolWorker<Task>, why: Retirement): void {
    const isDone = worker.tasks.size === 0 && this.backlog.addressed.for(worker).length === 0
    if (isDone) return this.endWorker(worker)
    this.workers.retire(worker, why)
    this.recycling.retired(worker, why)
  }

  /** Ends a worker without tasks, which needs no successor. */
  private endWorker(worker: PoolWorker<Task>): void {
    this.workers.leave(worker)
    this.recycling.left(worker)
    Effect.runFork(worker.end)
  }

  // ---- Called by the recycling ----

  get canReplace(): boolean {
    if (this.state._tag !== "Open" || this.starts.failures.isPausing) return false
    return !(this.starts.failures.toStart && this.workers.isStarting)
  }

  isSurplus(worker: PoolWorker<Task>): boolean {
    return worker.tasks.size === 0 && this.backlog.queue.size === 0 && this.workers.size > this.least
  }

  startWorker(): PoolWorker<Task> | undefined {
    return this.starts.start()
  }

  recycle(worker: PoolWorker<Task>, cause: RecycleCause): void {
    this.events?.replaced(cause)
    this.retire(worker, cause)
  }

  refill(): void {
    if (this.canReplace && this.workers.size < this.limits.max) this.starts.start()
    else this.fill()
  }

  /** Admits callers while there is room, in order. */
  admitWaiting(): void {
    if (this.backlog.admissions.size === 0 || !this.isWorking) return
    this.backlog.admissions.admit(this.room)
  }
}
