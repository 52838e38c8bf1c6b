/**
 * The result of a section, which must not be work that goes on after the section. Nothing ends such work, and nobody
 * awaits it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { isObjectKeyword } from "effect/Predicate"
import * as Texts from "./errorTexts.ts"
import { readOr } from "./foreignValue.ts"
import * as Misuse from "./misuse.ts"

/**
 * The exit of a section with this result: a defect for a promise or an Effect. The result is read outside the section,
 * because a section that has returned can't be ended any more.
 */
export const exitOf = <A>(
  result: A,
  operation: "Blocking.interruptible" | "Blocking.uninterruptible"
): Exit.Exit<A> => {
  const given = isObjectKeyword(result) ? readOr(() => workIn(result), undefined) : undefined
  if (given === undefined) return Exit.succeed(result)
  const invalid = Misuse.error({ _tag: "InvalidSection", operation, given }, Texts.invalidSection)
  // Nobody else handles the rejection, and an unhandled one would end the process or the worker.
  if (result instanceof Promise)
    result.catch((error: unknown) => Effect.runFork(Effect.logError(invalid.message, error)))
  return Exit.die(invalid)
}

/** An error can be yielded like an Effect, but is a value. */
const workIn = (result: object): string | undefined => {
  if (Effect.isEffect(result)) return result instanceof Error ? undefined : "an Effect"
  return "then" in result && typeof result.then === "function" ? "a Promise" : undefined
}
