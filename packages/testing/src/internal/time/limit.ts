/** The limit on the wait for closing resources. */
import { millisOf, textOf } from "@quiesce/core/internal"
import type * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as TestingError from "../../TestingError.ts"

/** The limit in milliseconds (default: one second). */
export const limitOf = (within: Duration.Input = "1 second"): Result.Result<number, TestingError.TestingError> => {
  const millis = millisOf(within)
  return Result.isSuccess(millis) && millis.success <= longest
    ? Result.succeed(millis.success)
    : Result.fail(
        TestingError.make({
          _tag: "InvalidOption",
          option: "within",
          problem: `${textOf(within)} is no time to wait. Give a finite one such as "2 seconds"`
        })
      )
}

/** The limit of a search in milliseconds, after a check of the other option. */
export const searchLimitOf = (options: {
  readonly within?: Duration.Input | undefined
  readonly ignore?: unknown
}): Result.Result<number, TestingError.TestingError> => {
  const { ignore, within } = options
  if (ignore === undefined || typeof ignore === "function") return limitOf(within)
  const problem = `${textOf(ignore)} is no function. Give one such as (leftOver) => leftOver.unref`
  return Result.fail(TestingError.make({ _tag: "InvalidOption", option: "ignore", problem }))
}

/** The longest timer of Node. */
const longest = 2 ** 31 - 1
