/** The defects of misuse. */
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ThreadError from "../ThreadError.ts"

/** Dies with a `ThreadError`. */
export const die = (reason: ThreadError.ThreadErrorReason): Effect.Effect<never> => Exit.die(ThreadError.make(reason))
