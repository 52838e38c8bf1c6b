/** Checks the AbortSignals that users give. An unusable value is refused before anything has happened. */
import * as Predicate from "effect/Predicate"
import { givenText } from "./givenText.ts"

/** Signals of other implementations are accepted, so their members count and not their class. */
const isAbortSignal = (u: unknown): u is AbortSignal => {
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
