/** The parts of a worker and of a queued task that the dispatcher needs. */
import type * as CancelReason from "@quiesce/core/CancelReason"
import type * as Effect from "effect/Effect"
import type * as WorkerError from "../../WorkerError.ts"
import type { Waiting } from "./taskQueue.ts"

/** A task that can wait in the dispatcher's queue. */
export interface PoolTask extends Waiting {
  /** Called when the task joins the queue. The task calls `dequeue` if it ends there. */
  readonly enqueued: (dequeue: () => void) => void
  /** Ends the task with an error, before or after it runs. */
  readonly fail: (error: WorkerError.WorkerError) => void
  /** Ends a queued task, which is then interrupted. */
  readonly cancel: (reason: CancelReason.CancelReason) => void
  /** Ends the task by its escalation. */
  readonly end: (reason: CancelReason.CancelReason) => Effect.Effect<void>
}

/** A worker that runs tasks. */
export interface PoolWorker<Task> {
  /** The running tasks. */
  readonly tasks: Iterable<Task> & { readonly size: number }
  /** Whether the worker is not yet ready. */
  readonly isStarting: boolean
  readonly isGone: boolean
  /** The number of free slots; 0 unless the worker is ready. */
  readonly free: number
  /** Node's number of the worker, also after its end. */
  readonly threadId: number
  /** Whether the worker has ever been ready. */
  readonly wasReady: boolean
  /** How many tasks the worker has ever taken. */
  readonly taken: number
  /** The thread. */
  readonly worker: { readonly getHeapStatistics: () => Promise<{ readonly used_heap_size: number }> }
  /** Runs a task in a free slot. */
  readonly run: (task: Task) => void
  /** Ends the worker, by force after a time. Completes when the worker is gone or has been given up. */
  readonly end: Effect.Effect<void>
}

/** The dispatcher's side of a worker. */
export interface WorkerListener<Task> {
  readonly ready: (worker: PoolWorker<Task>) => void
  /** A task has ended, and its slot is free. */
  readonly idle: (worker: PoolWorker<Task>) => void
  /**
   * The worker is ended by force, and takes no more tasks. Native code may delay its end. `error` is undefined if it was
   * killed.
   */
  readonly leaving: (worker: PoolWorker<Task>, error: WorkerError.WorkerError | undefined) => void
  /** The worker has ended. `error` is undefined if it was closed or killed. */
  readonly gone: (worker: PoolWorker<Task>, error: WorkerError.WorkerError | undefined) => void
}

/** Starts a worker, which reports to the listener. Throws if it can't be started. */
export type StartWorker<Task> = (listener: WorkerListener<Task>) => PoolWorker<Task>
