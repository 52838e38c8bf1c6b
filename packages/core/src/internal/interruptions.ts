/** Tells interruptions from failures. Threads that end together often share one Cause, so the last answer is kept. */
import * as Cause from "effect/Cause"

/** The last Cause that had interruptions only. */
let last: Cause.Cause<unknown> | undefined

/** See `Cause.hasInterruptsOnly`. */
export const interruptsOnly = (cause: Cause.Cause<unknown>): boolean => {
  if (cause === last) return true
  if (!Cause.hasInterruptsOnly(cause)) return false
  last = cause
  return true
}
