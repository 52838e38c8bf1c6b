/** The end of a thread as plain data, for reports and timelines. */
import * as Cause from "effect/Cause"
import * as CancelReason from "../CancelReason.ts"
import type { Ending } from "../ShutdownReport.ts"
import { isThreadError } from "../ThreadError.ts"
import { causeText } from "./causeText.ts"
import { messageOf } from "./foreignText.ts"
import * as OwnEnd from "./ownEnd.ts"
import type { ThreadNode } from "./threadNode.ts"

/** The end of a settled thread as plain data. */
export const endingOf = (node: ThreadNode): Ending => {
  const exit = node.controls.poll()!
  if (exit._tag === "Success") return { _tag: "Succeeded" }
  const end = OwnEnd.of(node)
  // A thread that was killed at its time limit has failed, so its Cause has no reason.
  if (end?._tag === "Killed") return { _tag: "Killed", reason: CancelReason.firstOfCause(exit.cause) ?? node.reason! }
  if (end?._tag === "Crashed") return { _tag: "Crashed", error: messageOf(Cause.squash(exit.cause)) }
  if (Cause.hasInterruptsOnly(exit.cause)) {
    const reason = CancelReason.firstOfCause(exit.cause)!
    return node.controls.hasStarted === false ? { _tag: "NeverStarted", reason } : { _tag: "Interrupted", reason }
  }
  for (const { defect } of exit.cause.reasons.filter(Cause.isDieReason)) {
    if (!isThreadError(defect)) continue
    if (defect.reason._tag === "Abandoned") return { _tag: "Abandoned" }
  }
  return { _tag: "Failed", error: causeText(exit.cause) }
}
