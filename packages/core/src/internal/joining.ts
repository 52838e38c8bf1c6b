/** The join of many threads, one after another, with a limit for each thread or for all. */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Argument from "./argument.ts"
import { finiteMillis } from "./duration.ts"
import { areMany } from "./givenThreads.ts"

/** See `Thread.JoinOptions`. */
export interface Limits {
  readonly each?: Duration.Input | undefined
  readonly within?: Duration.Input | undefined
}

type Join<T> = (thread: T) => Effect.Effect<unknown, unknown>
type TimedJoin<T> = (thread: T, millis: number) => Effect.Effect<Option.Option<unknown>, unknown>

/** Gives the values in the form of `threads`: an array, or a record with the same names. */
export const joinAll = <T>(
  threads: Iterable<T> | Readonly<Record<string, T>>,
  limits: Limits | undefined,
  join: Join<T>,
  timed: TimedJoin<T>
): Effect.Effect<unknown, unknown> => {
  if (!areMany(threads)) return Argument.die("Thread.joinAll", threads, "a list or a record of threads")
  if (Predicate.isIterable(threads)) return joinEach(threads, limits, join, timed)
  const names = Object.keys(threads)
  return Effect.map(joinEach(Object.values(threads), limits, join, timed), (values) =>
    Object.fromEntries(names.map((name, index) => [name, values[index]]))
  )
}

const joinEach = <T>(
  threads: Iterable<T>,
  limits: Limits | undefined,
  join: Join<T>,
  timed: TimedJoin<T>
): Effect.Effect<ReadonlyArray<unknown>, unknown> => {
  if (limits?.each !== undefined) {
    return Effect.flatMap(finiteMillis("joinAll's each", limits.each), (millis) =>
      Effect.forEach(threads, (thread) => timed(thread, millis))
    )
  }
  if (limits?.within === undefined) return Effect.forEach(threads, join)
  return Effect.flatMap(finiteMillis("joinAll's within", limits.within), (millis) =>
    Clock.clockWith((clock) => {
      const end = clock.currentTimeMillisUnsafe() + millis
      return Effect.forEach(threads, (thread) =>
        Effect.suspend(() => timed(thread, Math.max(0, end - clock.currentTimeMillisUnsafe())))
      )
    })
  )
}
