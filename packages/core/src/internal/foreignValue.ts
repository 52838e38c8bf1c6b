/** Reads values that users or other libraries made. Any step of a read may throw: a getter, or a trap of a proxy. */
import * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import { EncodedError } from "./encodedError.ts"

/** The result of a read, or `otherwise` if the read throws. */
export const readOr = <A>(read: () => A, otherwise: A): A => {
  try {
    return read()
  } catch {
    return otherwise
  }
}

/** Whether a value is an Effect. The types of the caller say which. */
export const isEffect = (u: unknown): u is Effect.Effect<unknown, unknown> => readOr(() => Effect.isEffect(u), false)

/** Whether a value can be raised into a thread: an error, or an object with a tag, whose parts can be read. */
export const isRaisable = (u: unknown): boolean =>
  readOr(
    () =>
      u instanceof EncodedError ||
      ((u instanceof Error || hasProperty(u, "_tag")) && parts.every((part) => has(u, part))),
    false
  )

/** The parts that a schema, a report or a log reads. */
const parts = ["_tag", "name", "message", "stack", "cause"]

/** True after a read that did not throw, whatever the part is. */
const has = (u: object, part: string): boolean => {
  void (u as Readonly<Record<string, unknown>>)[part]
  return true
}
