/** Checks the times that users give: what makes no sense is refused by name, before anything has happened. */
import * as Duration from "effect/Duration"
import { format } from "effect/Formatter"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as ThreadError from "../ThreadError.ts"

/** The milliseconds of a time; NaN for what is none. `Duration` would take NaN itself for zero. */
export const millisOf = (input: Duration.Input): number =>
  Number.isNaN(input) ? NaN : Option.match(Duration.fromInput(input), { onNone: () => NaN, onSome: Duration.toMillis })

/** The milliseconds of a time that must be finite and not negative. */
export const finiteMillis = (option: string, input: Duration.Input): Result.Result<number, ThreadError.ThreadError> => {
  const millis = millisOf(input)
  if (Number.isNaN(millis)) return invalid(option, input, "that is not a duration")
  if (millis < 0) return invalid(option, input, "a time can't be negative")
  if (millis === Infinity) return invalid(option, input, "it would never end, so leave the option out instead")
  return Result.succeed(millis)
}

const invalid = (
  option: string,
  input: Duration.Input,
  problem: string
): Result.Result<never, ThreadError.ThreadError> =>
  Result.fail(
    ThreadError.make({
      _tag: "InvalidDuration",
      option,
      given: describe(input),
      problem
    })
  )

/** A time in an error message, whatever it really is. */
export const describe = (input: Duration.Input): string =>
  Duration.isDuration(input) ? Duration.format(input) : format(input)
