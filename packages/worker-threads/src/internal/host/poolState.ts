/** The states of a pool, and the reasons for which a pool ends tasks. */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as WorkerError from "../../WorkerError.ts"

export type State =
  | { readonly _tag: "Open" }
  /** No worker is left, and none could be started. */
  | { readonly _tag: "GivenUp"; readonly error: WorkerError.WorkerError }
  | { readonly _tag: "Draining" }
  | { readonly _tag: "Closed" }

/** The error of a new task; undefined if the pool takes the task. A draining pool takes the tasks that it has admitted. */
export const refusalIn = (state: State, isAdmitted: boolean): WorkerError.WorkerError | undefined => {
  if (state._tag === "Open" || (state._tag === "Draining" && isAdmitted)) return undefined
  return state._tag === "GivenUp" ? state.error : WorkerError.make({ _tag: "PoolClosed" })
}

export const poolCloses: CancelReason.CancelReason = CancelReason.shutdown({ message: "The pool's scope has closed" })
export const drainEnds: CancelReason.CancelReason = CancelReason.shutdown({
  message: "The pool was drained, and its time was over"
})
export const queueCancelled: CancelReason.CancelReason = CancelReason.interrupted({
  message: "The waiting tasks of the pool were cancelled"
})

const endedBefore = (how: string): WorkerError.WorkerError =>
  WorkerError.make({
    _tag: "WorkerExited",
    code: null,
    problem: `it ${how} before it could run the task of a broadcast`
  })

export const killedBefore: WorkerError.WorkerError = endedBefore("was killed to end another task")
export const goneBefore: WorkerError.WorkerError = endedBefore("ended")
