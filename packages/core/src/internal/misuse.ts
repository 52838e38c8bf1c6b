/** The defects of this package. */
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { ThreadError, type ThreadErrorReason } from "../ThreadError.ts"

/** A `ThreadError` with the given text. `ThreadError.make` would bring the texts of all reasons into a bundle. */
export const error = <R extends ThreadErrorReason>(reason: R, text: (reason: R) => string): ThreadError =>
  new ThreadError({ reason, message: text(reason) })

/** Dies with a `ThreadError`. */
export const die = <R extends ThreadErrorReason>(reason: R, text: (reason: R) => string): Effect.Effect<never> =>
  Exit.die(error(reason, text))
