/** One direction of the values of a task between host and worker. */
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** A message about a value that does not fit. */
export type Problem = string

export interface Wire {
  /** Whether a value is sent as it is. */
  readonly isPlain: boolean
  readonly encode: (value: unknown, transfers: Array<unknown>) => Effect.Effect<unknown, Problem>
  readonly decode: (encoded: unknown) => Effect.Effect<unknown, Problem>
}

/** The encodings of one task's payload, result and error. */
export interface TaskCodec {
  readonly name: string
  readonly payload: Wire
  readonly success: Wire
  readonly error: Wire
  /** The wire of a stream's elements; undefined if the task gives no stream. */
  readonly element: Wire | undefined
}

/** The class of successes. Effect's own check looks for a type id, which is slower. */
const successes: unknown = Object.getPrototypeOf(Exit.void)

/** Whether an effect is a plain success, as most encodings are. */
export const isDone = <A, E>(effect: Effect.Effect<A, E>): effect is Exit.Success<A> =>
  Object.getPrototypeOf(effect) === successes || (Exit.isExit(effect) && Exit.isSuccess(effect))

/** The value of an effect that is a plain success. */
export const immediate = <A, E>(effect: Effect.Effect<A, E>): A | undefined =>
  isDone(effect) ? effect.value : undefined
