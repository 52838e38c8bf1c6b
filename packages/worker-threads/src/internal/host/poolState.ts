/** The states of a pool, and the reasons for which a pool ends tasks. */
import * as CancelReason from "@quiesce/core/CancelReason"
import type * as WorkerError from "../../WorkerError.ts"

export type State =
  | { readonly _tag: "Open" }
  /** No worker is left, and none could be started. */
  | { readonly _tag: "GivenUp"; readonly error: WorkerError.WorkerError }
  | { readonly _tag: "Draining" }
  | { readonly _tag: "Closed" }

export const poolCloses: CancelReason.CancelReason = CancelReason.shutdown({ message: "The pool's scope has closed" })
export const drainEnds: CancelReason.CancelReason = CancelReason.shutdown({
  message: "The pool was drained, and its time was over"
})
export const queueCancelled: CancelReason.CancelReason = CancelReason.interrupted({
  message: "The waiting tasks of the pool were cancelled"
})
