/** Checks of a program and of its options, which a user without types may give. */
import { textOf } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import * as TestingError from "../../TestingError.ts"

/** `of` is the function that got the arguments. */
export const checkedProgram = (
  of: string,
  program: unknown,
  options: unknown
): Effect.Effect<void, TestingError.TestingError> => {
  if (!Effect.isEffect(program)) {
    const wanted = "give the effect that does the work, such as Effect.promise(() => f()) for an async function f"
    return refused(`The program of ${of}`, `${textOf(program)} is not an Effect; ${wanted}`)
  }
  if (typeof options === "object" && options !== null) return Effect.void
  return refused(`The options of ${of}`, `${textOf(options)} is not an object; leave them out for the defaults`)
}

const refused = (option: string, problem: string): Effect.Effect<never, TestingError.TestingError> =>
  Effect.fail(TestingError.make({ _tag: "InvalidOption", option, problem }))
