/** The events of a pool for those who watch: loggers. */
import { logUnhandled } from "@quiesce/core/internal"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import type * as WorkerError from "../../WorkerError.ts"

/** A worker that has left its pool. */
export interface Leaver {
  /** Node's number of the worker. */
  readonly threadId: number
  /** Whether the worker has ever been ready. */
  readonly wasReady: boolean
}

export class PoolEvents {
  /** Has the loggers. */
  private readonly context: Context.Context<never>

  constructor(context: Context.Context<never>) {
    this.context = context
  }

  /** A worker was lost, or killed if `error` is undefined. */
  workerLeft({ threadId, wasReady }: Leaver, error: WorkerError.WorkerError | undefined): void {
    // The caller of a kill gets a report, and the dispatcher warns of workers that can't be started.
    if (error === undefined || !wasReady) return
    const name = `worker-${threadId}`
    logUnhandled(this.context, { id: threadId, name }, `A pool has lost its worker "${name}"`, Cause.fail(error))
  }
}
