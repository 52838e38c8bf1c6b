/** Checks the AbortSignals that users give. An unusable value is refused before anything has happened. */
import * as Predicate from "effect/Predicate"
import * as Argument from "./argument.ts"
import { givenText } from "./givenText.ts"

/** Signals of other implementations are accepted, so their members count and not their class. */
export const isAbortSignal = (u: unknown): u is AbortSignal => {
  try {
    return u instanceof AbortSignal || looksLikeOne(u)
  } catch {
    // A trap of a proxy, or a getter.
    return false
  }
}

const looksLikeOne = (u: unknown): boolean => {
  const { aborted, addEventListener, removeEventListener } = Object(u) as Partial<AbortSignal>
  return (
    typeof aborted === "boolean" && typeof addEventListener === "function" && typeof removeEventListener === "function"
  )
}

export const aSignal = "an AbortSignal, such as the property signal of an AbortController"

/** The given signal. Throws where a user without types gives something else. */
export const signalGiven = (operation: string, signal: AbortSignal): AbortSignal => {
  if (isAbortSignal(signal)) return signal
  throw Argument.wrong(operation, signal, aSignal)
}

/** The same for an option. A signal in place of the options would be ignored, and so is refused. */
export const signalIn = (
  operation: string,
  options: { readonly signal?: AbortSignal | undefined } | undefined
): AbortSignal | undefined => {
  if (isAbortSignal(options)) throw Argument.wrong(operation, options, "the signal in options: { signal }")
  // A user without types may give null, which is refused.
  return options?.signal === undefined ? undefined : signalGiven(`The signal of ${operation}`, options.signal)
}

/** The signals of `Abort.any`. */
export const abortSignals = (signals: Iterable<AbortSignal>): ReadonlyArray<AbortSignal> => {
  const list: ReadonlyArray<unknown> = Array.isArray(signals) ? signals : Array.from(iterable(signals))
  for (let i = 0; i < list.length; i++) {
    if (isAbortSignal(list[i])) continue
    throw new TypeError(
      `Abort.any got ${givenText(list[i])} at index ${i}, which is no AbortSignal. If it is an AbortController, give its signal.`
    )
  }
  // Each element was checked above.
  return list as ReadonlyArray<AbortSignal>
}

const iterable = (signals: unknown): Iterable<unknown> => {
  if (Predicate.isIterable(signals) && typeof signals !== "string") return signals
  throw new TypeError(
    `Abort.any got ${givenText(signals)}, which is no list of AbortSignals. Give all signals in one list: Abort.any([a, b]).`
  )
}
