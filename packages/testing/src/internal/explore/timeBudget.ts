/**
 * The real time that an exploration may take, so that the exploration reports before the test runner's limit.
 *
 * Invariant: after the first cancel, a cancel is tried only if the time left is enough for one like the slowest so far.
 */
import { millisOf, textOf } from "@quiesce/core/internal"
import type * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as TestingError from "../../TestingError.ts"

/** The milliseconds for which a program in real time may do nothing. */
const mostPatience = 10_000
const leastPatience = 1000

export class TimeBudget {
  readonly millis: number
  private readonly begun = performance.now()
  private slowest = 0
  private cutAt: number | undefined = undefined

  constructor(millis: number) {
    this.millis = millis
  }

  private get left(): number {
    return this.millis - (performance.now() - this.begun)
  }

  get isUp(): boolean {
    return this.left <= 0
  }

  /** The milliseconds for which the next run may do nothing. */
  get patience(): number {
    return Math.min(mostPatience, Math.max(leastPatience, Math.round(this.left)))
  }

  /** Ends the cancel before. Whether there is time for one more cancel. */
  next(): boolean {
    const now = performance.now()
    if (this.cutAt !== undefined) this.slowest = Math.max(this.slowest, now - this.cutAt)
    this.cutAt = now
    return this.left > this.slowest
  }
}

/** A budget (default: 4 seconds for a program in real time, without limit otherwise). */
export const make = (
  stopAfter: Duration.Input | undefined,
  isLive: boolean
): Result.Result<TimeBudget, TestingError.TestingError> => {
  if (stopAfter === undefined) return Result.succeed(new TimeBudget(isLive ? 4000 : Infinity))
  const millis = millisOf(stopAfter)
  return Result.isSuccess(millis) && millis.success > 0
    ? Result.succeed(new TimeBudget(millis.success))
    : Result.fail(
        TestingError.make({
          _tag: "InvalidOption",
          option: "stopAfter",
          problem: `${textOf(stopAfter)} is no time in which a cancel could be tried. Give one such as "4 seconds", or "Infinity" for no limit`
        })
      )
}
