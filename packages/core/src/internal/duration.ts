/** Checks the times that users give. An unusable time is refused with the option's name, before anything has happened. */
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Misuse from "./misuse.ts"
import { textOf } from "./foreignText.ts"

/** The milliseconds of a time, which may be infinite; otherwise the problem with the input. */
export const millisOf = (input: Duration.Input): Result.Result<number, string> => {
  // `Duration` reads NaN as zero.
  const duration = Number.isNaN(input) ? Option.none() : Duration.fromInput(input)
  if (Option.isNone(duration)) return Result.fail("that is not a duration")
  const millis = Duration.toMillis(duration.value)
  return millis < 0 ? Result.fail("a time can't be negative") : Result.succeed(millis)
}

/** The milliseconds of a finite time; otherwise a defect that names `option`. */
export const finiteMillis = (option: string, input: Duration.Input): Effect.Effect<number> => {
  const millis = millisOf(input)
  if (Result.isFailure(millis)) return invalid(option, input, millis.failure)
  if (millis.success === Infinity) return invalid(option, input, "it would never end, so leave the option out instead")
  return Exit.succeed(millis.success)
}

const invalid = (option: string, input: Duration.Input, problem: string): Effect.Effect<never> =>
  Misuse.die({ _tag: "InvalidDuration", option, given: describe(input), problem })

/** The text of an input in an error message. */
export const describe = (input: Duration.Input): string =>
  Duration.isDuration(input) ? Duration.format(input) : textOf(input)
