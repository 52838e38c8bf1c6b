/**
 * Checks arguments that a user without types may give. A wrong argument is a defect with the name of the function
 * and the kind of argument that the function takes. Each description of a kind stands alone, so that a bundle has those that
 * it needs.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { ThreadError } from "../ThreadError.ts"
import * as Texts from "./errorTexts.ts"
import { isEffect, readOr } from "./foreignValue.ts"
import { givenText } from "./givenText.ts"
import * as Misuse from "./misuse.ts"

export const anEffect = "an Effect, such as Effect.promise(() => f()) for an async function f"
export const aFunction = "a function"
export const aReason = 'a CancelReason, such as CancelReason.interrupted({ message: "why" })'

/** The error of a wrong argument. `takes` describes the argument that the function takes. */
export const wrong = (operation: string, given: unknown, takes: string): ThreadError =>
  Misuse.error({ _tag: "InvalidArgument", operation, given: givenText(given), takes }, Texts.invalidArgument)

/** The same as an effect that dies. */
export const die = (operation: string, given: unknown, takes: string): Exit.Exit<never> =>
  Exit.die(wrong(operation, given, takes))

/** Whether a value is an Effect. The types of the caller say which, so this is no guard. */
export const isWork = (u: unknown): boolean => isEffect(u)

/** The given effect. In place of a value that is no effect: an effect that dies. */
export const effect = <A, E, R>(operation: string, given: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  isEffect(given) ? given : die(operation, given, anEffect)

/** The given Cause. Throws where a user without types gives something else. */
export const cause = <E>(operation: string, given: Cause.Cause<E>): Cause.Cause<E> => {
  if (Cause.isCause(given)) return given
  throw wrong(operation, given, "a Cause, such as the cause of a failed Exit")
}

/** The Cause of the given Exit, if the Exit is a failure. Throws where a user without types gives something else. */
export const causeOf = <E>(operation: string, given: Exit.Exit<unknown, E>): Cause.Cause<E> | undefined => {
  if (!Exit.isExit(given)) throw wrong(operation, given, "an Exit, such as the result of Thread.await")
  return given._tag === "Failure" ? given.cause : undefined
}

/**
 * The second half of a function with two forms, `f(self, options)` and `f(options)(self)`, after a first argument that is
 * not `self`. A first argument that can't be the options is a wrong `self`. The returned function says so, too, when it is
 * used as an effect.
 */
export const curried = <Options, Self, B>(
  operation: string,
  takes: string,
  options: Options,
  f: (self: Self, options: Options) => B
): ((self: Self) => B) | Effect.Effect<never> => {
  if (!canBeOptions(options)) return die(operation, options, takes)
  return Object.assign((self: Self) => f(self, options), {
    [Symbol.iterator]: (): never => {
      throw wrong(operation, options, takes)
    }
  })
}

/** An effect or a promise is a `self` that the caller has not waited for. An object that can't be read is no options either. */
const canBeOptions = (u: unknown): boolean =>
  readOr(
    () => u === undefined || (typeof u === "object" && u !== null && !(u instanceof Promise || Effect.isEffect(u))),
    false
  )
