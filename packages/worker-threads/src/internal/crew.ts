/**
 * The workers of a pool and the line of tasks that wait for one.
 *
 * Invariants:
 * 1. While a worker is free nobody waits; tasks are taken in the order in which they came.
 * 2. There are at least `min` workers, or replacements under way, until the crew gives up or closes.
 * 3. A worker that dies is replaced after a pause that doubles with each failure to start in a row; after `attempts` of
 *    those the crew gives up, and whoever waits and whoever comes is told why.
 */
import type { Worker, WorkerOptions } from "node:worker_threads"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as WorkerError from "../WorkerError.ts"
import type { Capabilities } from "./capabilities.ts"
import type { Parsed } from "./poolOptions.ts"
import type { RemoteTask } from "./remoteTask.ts"
import { type Listener, WorkerHandle } from "./workerHandle.ts"

const attempts = 5
const firstPauseMillis = 20

type State =
  | { readonly _tag: "Open" }
  | { readonly _tag: "GivenUp"; readonly error: WorkerError.WorkerError }
  | { readonly _tag: "Closed" }

export class Crew implements Listener {
  private readonly spawn: (options: WorkerOptions) => Worker
  private readonly options: Parsed
  private readonly capabilities: Capabilities
  private readonly workers: Set<WorkerHandle> = new Set()
  private readonly line: Set<RemoteTask> = new Set()
  /** Callers that wait for room in the line. */
  private readonly callers: Set<() => void> = new Set()
  private readonly timers: Set<NodeJS.Timeout> = new Set()
  private readonly started: Deferred.Deferred<void, WorkerError.WorkerError> = Deferred.makeUnsafe()
  private state: State = { _tag: "Open" }
  private failures = 0

  constructor(spawn: (options: WorkerOptions) => Worker, options: Parsed, capabilities: Capabilities) {
    this.capabilities = capabilities
    this.spawn = spawn
    this.options = options
  }

  get status(): { readonly workers: number; readonly running: number; readonly queued: number } {
    let running = 0
    for (const worker of this.workers) running += worker.tasks.size
    return { workers: this.workers.size, running, queued: this.line.size }
  }

  /** Starts the first workers and waits until one is ready. */
  get open(): Effect.Effect<void, WorkerError.WorkerError> {
    return Effect.suspend(() => {
      for (let i = 0; i < this.options.min; i++) this.hire()
      return this.options.min === 0 ? Effect.void : Deferred.await(this.started)
    })
  }

  /** Ends all workers. Their tasks have ended before, or are told. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.state = { _tag: "Closed" }
      for (const timer of this.timers) clearTimeout(timer)
      this.timers.clear()
      this.dismissAll(WorkerError.make({ _tag: "PoolClosed" }))
      return Effect.forEach([...this.workers], (worker) => worker.end, { concurrency: "unbounded", discard: true })
    })
  }

  /** Completes when there is room for one more task. */
  admit(): Effect.Effect<void, WorkerError.WorkerError> {
    return Effect.suspend((): Effect.Effect<void, WorkerError.WorkerError> => {
      if (this.state._tag === "GivenUp") return Effect.fail(this.state.error)
      if (this.state._tag === "Closed") return Effect.fail(WorkerError.make({ _tag: "PoolClosed" }))
      if (this.options.bound === Infinity || this.line.size < this.options.bound || this.idlest() !== undefined) {
        return Effect.void
      }
      if (this.options.whenFull === "fail") {
        return Effect.fail(WorkerError.make({ _tag: "QueueFull", bound: this.options.bound }))
      }
      return Effect.andThen(this.room, this.admit())
    })
  }

  private get room(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const caller = () => resume(Effect.void)
      this.callers.add(caller)
      return Effect.sync(() => {
        this.callers.delete(caller)
      })
    })
  }

  /** Has a task run by a free worker, or puts it in line. */
  take(task: RemoteTask): void {
    const worker = this.idlest()
    if (worker !== undefined) return worker.run(task)
    this.line.add(task)
    task.queued(() => {
      this.line.delete(task)
      this.callOne()
    })
    if (this.state._tag === "GivenUp") return task.fail(this.state.error)
    if (this.state._tag === "Closed") return task.fail(WorkerError.make({ _tag: "PoolClosed" }))
    if (this.workers.size < this.options.max) this.hire()
  }

  private idlest(): WorkerHandle | undefined {
    let best: WorkerHandle | undefined
    for (const worker of this.workers) {
      if (worker.free > (best?.free ?? 0)) best = worker
    }
    return best
  }

  private hire(): void {
    try {
      this.workers.add(new WorkerHandle(this.spawn, this.options.concurrency, this.capabilities, this))
    } catch (cause) {
      this.failed(cause instanceof Error ? cause.message : String(cause))
    }
  }

  // ---- What the workers say ----

  ready(worker: WorkerHandle): void {
    this.failures = 0
    Deferred.doneUnsafe(this.started, Effect.void)
    this.idle(worker)
  }

  idle(worker: WorkerHandle): void {
    while (worker.free > 0) {
      const [next] = this.line
      if (next === undefined) break
      this.line.delete(next)
      worker.run(next)
      this.callOne()
    }
    if (worker.tasks.size === 0 && this.workers.size > this.options.min) this.retire(worker)
  }

  gone(worker: WorkerHandle, error: WorkerError.WorkerError | undefined, wasReady: boolean): void {
    this.workers.delete(worker)
    if (this.state._tag !== "Open") return
    if (!wasReady && error !== undefined) return this.failed(error.message)
    if (this.workers.size < this.options.min || (this.line.size > 0 && this.workers.size < this.options.max))
      this.hire()
  }

  private failed(problem: string): void {
    this.failures++
    if (this.failures >= attempts) return this.giveUp(problem)
    this.later(firstPauseMillis * 2 ** (this.failures - 1), () => this.hire())
  }

  private giveUp(problem: string): void {
    if (this.workers.size > 0) return
    const error = WorkerError.make({ _tag: "SpawnFailed", attempts: this.failures, problem })
    this.state = { _tag: "GivenUp", error }
    Deferred.doneUnsafe(this.started, Effect.fail(error))
    this.dismissAll(error)
  }

  private dismissAll(error: WorkerError.WorkerError): void {
    for (const task of Array.from(this.line)) task.fail(error)
    for (const caller of Array.from(this.callers)) caller()
  }

  /** Ends a worker that nobody needs for a while. */
  private retire(worker: WorkerHandle): void {
    const timer = this.later(this.options.idleMillis, () => {
      if (worker.tasks.size > 0 || worker.isGone || this.workers.size <= this.options.min) return
      this.workers.delete(worker)
      Effect.runFork(worker.end)
    })
    // A process with nothing else to do does not wait for it.
    timer.unref()
  }

  private callOne(): void {
    const [first] = this.callers
    if (first === undefined) return
    this.callers.delete(first)
    first()
  }

  private later(millis: number, f: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      f()
    }, millis)
    this.timers.add(timer)
    return timer
  }
}
