/** Deadlines that a token has noticed before their timer could run. */
import * as Cause from "effect/Cause"
import * as CancelReason from "../CancelReason.ts"
import { isNamed } from "./reasonAnnotation.ts"

/**
 * Whether work was interrupted because just this deadline has passed. An interruption without a reason, such as that of a
 * handler behind Effect's RPC, counts if the deadline has passed by now.
 */
export const isExceeded = (cause: Cause.Cause<unknown>, deadline: number, now: number): boolean => {
  const interrupts = cause.reasons.filter(Cause.isInterruptReason)
  if (!interrupts.some(isNamed)) return interrupts.length > 0 && now >= deadline
  return CancelReason.allFromCause(cause).some(
    (reason) => reason._tag === "DeadlineExceeded" && reason.deadline === deadline
  )
}

/** The deadline that interrupted work; undefined if the work was interrupted for another reason, too. */
export const exceededBy = (cause: Cause.Cause<unknown>): number | undefined => {
  const reasons = CancelReason.allFromCause(cause)
  const first = reasons[0]
  return first?._tag === "DeadlineExceeded" && reasons.every((reason) => reason._tag === "DeadlineExceeded")
    ? first.deadline
    : undefined
}
