/** Programs with groups that the compiler refuses: see scripts/check-types.ts. */
import { ThreadGroup } from "@quiesce/core"
import { Effect } from "effect"

declare const group: ThreadGroup.ThreadGroup<"no">
declare const other: Effect.Effect<number, "other">

// says: '"other"' is not assignable to type '"no"'
export const otherError = ThreadGroup.spawn(group, other)

// says: '"other"' is not assignable to type '"no"'
export const otherErrorInPipe = other.pipe(ThreadGroup.spawn(group))

// says: DeadlineExceeded
export const uncaught: Effect.Effect<void, "no"> = ThreadGroup.joinAll(group)

// says: '"first"' is not assignable to type
export const unknownPolicy = ThreadGroup.make({ policy: "first" })

// says: 'nam'
export const misspelt = ThreadGroup.spawn(group, Effect.void, { nam: "a" })

// says: 'nam'
export const misspeltInPipe = Effect.void.pipe(ThreadGroup.spawn(group, { nam: "a" }))
