/**
 * The result of a section, which must not be work that goes on after the section. Nothing ends such work, and nobody
 * awaits it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Texts from "./errorTexts.ts"
import { readOr } from "./foreignValue.ts"
import * as Misuse from "./misuse.ts"

/**
 * The exit of a section with this result: a defect for a promise or an Effect. The result is read outside the section, because
 * a section that has returned can't be ended any more.
 */
export const exitOf = <A>(
  result: A,
  operation: "Blocking.interruptible" | "Blocking.uninterruptible"
): Exit.Exit<A> => {
  const given = isObject(result) ? readOr(() => workIn(result), undefined) : undefined
  if (given === undefined) return Exit.succeed(result)
  const invalid = Misuse.error({ _tag: "InvalidSection", operation, given: given._tag }, Texts.invalidSection)
  // Nobody else handles the rejection, and an unhandled one would end the process or the worker.
  if (given._tag === "a Promise") {
    const log = (error: unknown): unknown => Effect.runFork(Effect.logError(invalid.message, error))
    readOr(() => given.subscribe.call(result, undefined, log), undefined)
  }
  return Exit.die(invalid)
}

const isObject = (u: unknown): u is object => (typeof u === "object" && u !== null) || typeof u === "function"

type Then = (onFulfilled: undefined, onRejected: (error: unknown) => void) => unknown

type Work = { readonly _tag: "a Promise"; readonly subscribe: Then } | { readonly _tag: "an Effect" }

/** An error can be yielded like an Effect, but is a value. */
const workIn = (result: object): Work | undefined => {
  if (Effect.isEffect(result)) return result instanceof Error ? undefined : { _tag: "an Effect" }
  const { then } = result as { readonly then?: unknown }
  // A thenable takes these arguments.
  return typeof then === "function" ? { _tag: "a Promise", subscribe: then as Then } : undefined
}
