/** One direction of one Schema between host and worker. */
import type * as Effect from "effect/Effect"

/** A message about a value that does not fit. */
export type Problem = string

export interface Wire {
  /** Whether a value is sent as it is. */
  readonly isPlain: boolean
  readonly encode: (value: unknown, transfers: Array<unknown>) => Effect.Effect<unknown, Problem>
  readonly decode: (encoded: unknown) => Effect.Effect<unknown, Problem>
}
