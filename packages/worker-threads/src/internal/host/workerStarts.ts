/**
 * Starts the workers of a pool, and counts the workers that die before they were useful.
 *
 * Invariant: after `maxAttempts` failures to start in a row, a warning is logged, once until a worker has started. If no
 * worker is left, the pool gives up instead.
 */
import { messageOf } from "@quiesce/core/internal"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as WorkerError from "../../WorkerError.ts"
import type { PoolSize } from "./poolSize.ts"
import type { PoolWorker, StartWorker, WorkerListener } from "./poolWorker.ts"
import { longestPauseMillis, StartFailures } from "./startFailures.ts"
import type { WorkerSet } from "./workerSet.ts"

const maxAttempts = 5

/** The dispatcher's side. */
export interface Starter<Task> extends WorkerListener<Task> {
  readonly limits: PoolSize
  /** Whether a caller waits for a worker. */
  readonly isAwaited: boolean
  /** No worker can be started. True if the pool is still being made: its maker gets the error. */
  readonly giveUp: (error: WorkerError.WorkerError) => boolean
  /** The pause after a failure is over. */
  readonly retry: () => void
}

export class WorkerStarts<Task> {
  private readonly startOne: StartWorker<Task>
  private readonly workers: WorkerSet<Task>
  private readonly starter: Starter<Task>
  private readonly context: Context.Context<never>
  readonly failures: StartFailures

  constructor(
    startOne: StartWorker<Task>,
    workers: WorkerSet<Task>,
    starter: Starter<Task>,
    context: Context.Context<never>
  ) {
    this.startOne = startOne
    this.workers = workers
    this.starter = starter
    this.context = context
    this.failures = new StartFailures(() => starter.retry())
  }

  /** Starts a worker. Undefined if the worker can't be started. */
  start(): PoolWorker<Task> | undefined {
    try {
      const worker = this.startOne(this.starter)
      this.workers.add(worker)
      return worker
    } catch (cause) {
      if (cause instanceof WorkerError.WorkerError) this.refused(cause)
      else this.failed(messageOf(cause), true, cause)
      return undefined
    }
  }

  /** The options can't start a worker, so a further attempt would be in vain. */
  private refused(error: WorkerError.WorkerError): void {
    if (this.workers.size > 0 || !this.starter.giveUp(error)) this.warn(error)
  }

  /** A worker died before it was useful. */
  died(worker: PoolWorker<Task>, error: WorkerError.WorkerError): void {
    this.failed(problemOf(error), !worker.wasReady, error.cause)
  }

  private failed(problem: string, toStart: boolean, cause: unknown): void {
    if (!this.failures.add(toStart)) return
    const { count } = this.failures
    if (toStart && count >= maxAttempts) {
      const error = WorkerError.make({ _tag: "SpawnFailed", attempts: count, problem }, cause)
      const failsOpen = this.workers.size === 0 && this.starter.giveUp(error)
      if (count === maxAttempts && !failsOpen) this.warn(error)
    }
    if (!this.starter.isAwaited) this.failures.keepAlive(false)
  }

  private warn(error: WorkerError.WorkerError): void {
    const { max, min } = this.starter.limits
    const { size } = this.workers
    const has =
      size >= min && min > 0
        ? `A worker pool can't start a further worker beside the ${size} that it has`
        : `A worker pool has ${size} workers of the ${min === 0 ? `up to ${max}` : min} that it should have`
    const tries = `It goes on trying, after a pause of at most ${longestPauseMillis / 1000} seconds`
    Effect.runForkWith(this.context)(Effect.logWarning(`${has}. ${tries}. ${error.message}`))
  }
}

/** Why a worker has died. */
const problemOf = ({ message, reason }: WorkerError.WorkerError): string =>
  reason._tag === "WorkerExited" ? `it ended with code ${reason.code}: ${reason.problem}` : message
