/** The end of a thread as plain data, for reports and timelines. */
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import * as CancelReason from "../CancelReason.ts"
import * as ForcedEnd from "../ForcedEnd.ts"
import type { Ending } from "../ShutdownReport.ts"
import { isThreadError } from "../ThreadError.ts"
import { causeText } from "./causeText.ts"
import { messageOf } from "./foreignText.ts"
import * as OwnEnd from "./ownEnd.ts"
import type { ThreadNode } from "./threadNode.ts"

/** The last Cause that is an interruption for every thread: the end by force of no thread is in it. */
let lastInterruption: { readonly cause: Cause.Cause<unknown>; readonly reason: CancelReason.CancelReason } | undefined

/** The end of a settled thread as plain data. */
export const endingOf = (node: ThreadNode): Ending => {
  const exit = node.controls.poll()!
  if (exit._tag === "Success") return { _tag: "Succeeded" }
  if (exit.cause === lastInterruption?.cause) return interruption(node, lastInterruption.reason)
  const end = OwnEnd.of(node)
  if (end?._tag === "Killed") return { _tag: "Killed", reason: CancelReason.firstOfCause(exit.cause)! }
  if (end?._tag === "Crashed") return { _tag: "Crashed", error: messageOf(Cause.squash(exit.cause)) }
  if (Cause.hasInterruptsOnly(exit.cause)) {
    const reason = CancelReason.firstOfCause(exit.cause)!
    if (Option.isNone(ForcedEnd.fromCause(exit.cause))) lastInterruption = { cause: exit.cause, reason }
    return interruption(node, reason)
  }
  for (const { defect } of exit.cause.reasons.filter(Cause.isDieReason)) {
    if (!isThreadError(defect)) continue
    if (defect.reason._tag === "Abandoned") return { _tag: "Abandoned" }
  }
  return { _tag: "Failed", error: causeText(exit.cause) }
}

const interruption = ({ controls }: ThreadNode, reason: CancelReason.CancelReason): Ending =>
  controls.hasStarted === false ? { _tag: "NeverStarted", reason } : { _tag: "Interrupted", reason }
