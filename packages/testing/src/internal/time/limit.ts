/** The limit on the wait for closing resources. */
import { textOf } from "@quiesce/core/internal"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as TestingError from "../../TestingError.ts"

/** The limit in milliseconds (default: one second). */
export const limitOf = (within: Duration.Input = "1 second"): Result.Result<number, TestingError.TestingError> => {
  const millis = Option.map(Duration.fromInput(within), Duration.toMillis)
  return Option.isSome(millis) && millis.value >= 0 && millis.value <= longest
    ? Result.succeed(millis.value)
    : Result.fail(
        TestingError.make({
          _tag: "InvalidOption",
          option: "within",
          problem: `${textOf(within)} is no time to wait. Give a finite one such as "2 seconds"`
        })
      )
}

/** The longest timer of Node. */
const longest = 2 ** 31 - 1
