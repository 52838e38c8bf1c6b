/** Checks the times that users give. An unusable time is refused with the option's name, before anything has happened. */
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Texts from "./errorTexts.ts"
import * as Misuse from "./misuse.ts"
import { readOr } from "./foreignValue.ts"
import { givenText } from "./givenText.ts"

/** The milliseconds of a time, which may be infinite; otherwise the problem with the input, as text. */
export const parse = (input: Duration.Input): number | string => {
  let millis
  try {
    // `Duration` reads NaN as zero.
    millis = Number.isNaN(input) ? undefined : Duration.toMillis(Duration.fromInputUnsafe(input))
  } catch {
    // The input is no duration, or throws when it is read.
  }
  if (millis === undefined) return "that is not a duration"
  return millis < 0 ? "a time can't be negative" : millis
}

/** The same as a Result. */
export const millisOf = (input: Duration.Input): Result.Result<number, string> => {
  const parsed = parse(input)
  return typeof parsed === "string" ? Result.fail(parsed) : Result.succeed(parsed)
}

/** The text of an unusable time. A Duration is printed as it can be given. */
export const timeText = (input: unknown): string =>
  readOr(() => Duration.isDuration(input), false) ? String(input) : givenText(input)

/** The milliseconds of a finite time; otherwise a defect that names `option`. */
export const finiteMillis = (option: string, input: Duration.Input): Effect.Effect<number> => {
  const parsed = parse(input)
  const problem = parsed === Infinity ? "it would never end, so leave the option out instead" : parsed
  if (typeof problem === "number") return Exit.succeed(problem)
  return Misuse.die({ _tag: "InvalidDuration", option, given: timeText(input), problem }, Texts.invalidDuration)
}
