/** The annotation of an interruption's Cause that carries the reason. */
import type * as Cause from "effect/Cause"

/** The key of the annotation. */
export const key = "@quiesce/core/CancelReason"

/** Whether an interruption carries a reason. Effect's own combinators interrupt without a reason. */
export const isNamed = (entry: Cause.Interrupt): boolean => entry.annotations.has(key)
