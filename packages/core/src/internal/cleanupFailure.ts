/** The failure of a thread that was interrupted, such as the failure of its cleanup. */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import { isThreadError } from "../ThreadError.ts"
import * as OwnEnd from "./ownEnd.ts"
import { received } from "./settlement.ts"
import type { ThreadNode } from "./threadNode.ts"

/**
 * The failures of an interrupted thread, as defects, because an interrupted caller handles no error; undefined without any.
 * A thread that was ended by force or given up had no cleanup.
 */
export const ofThread = (node: ThreadNode): Cause.Cause<never> | undefined => {
  const { controls, state } = node
  const exit = controls.poll()
  if (exit === undefined || Exit.isSuccess(exit) || OwnEnd.of(node) !== undefined) return undefined
  if (state._tag === "Settled" && state.abandoned) return undefined
  const defects = exit.cause.reasons.flatMap((reason) => {
    if (Cause.isInterruptReason(reason)) return []
    return [Cause.isFailReason(reason) ? Cause.makeDieReason(reason.error) : reason]
  })
  if (defects.length === 0) return undefined
  received(node, exit)
  return Cause.fromReasons(defects)
}

/** Whether a thread has died because it was given up. */
export const isAbandoned = (reason: Cause.Reason<unknown>): boolean =>
  Cause.isDieReason(reason) && isThreadError(reason.defect) && reason.defect.reason._tag === "Abandoned"
