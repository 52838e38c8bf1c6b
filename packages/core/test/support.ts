/** Helpers of many tests: a hanging effect, failures as values, and virtual time around an effect. */
import { expect } from "@effect/vitest"
import { CancelReason, ThreadError } from "@quiesce/core"
import { Cause, Clock, Duration, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"

/** Ignores every cancel and never ends. */
export const hung: Effect.Effect<never> = Effect.uninterruptible(Effect.never)

/** The `ThreadError` that an effect dies with. */
export const defectOf = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<ThreadError.ThreadError, never, R> =>
  Effect.map(Effect.exit(effect), (exit) => {
    const defect = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isDieReason)?.defect : undefined
    if (!ThreadError.isThreadError(defect)) throw new Error(`No ThreadError as a defect: ${String(exit)}`)
    return defect
  })

/** The reason tag of the `ThreadError` that an effect dies with. */
export const defectTag = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<string, never, R> =>
  Effect.map(defectOf(effect), (error) => error.reason._tag)

/** The tag of the error that an effect fails with. */
export const failureTag = <A, E extends { readonly _tag: string }, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<string, A, R> => Effect.map(Effect.flip(effect), (error) => error._tag)

/** The messages of all reasons of an interruption. */
export const messages = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<string> =>
  Exit.isFailure(exit) ? CancelReason.allFromCause(exit.cause).map((reason) => reason.message) : []

/** The defects of an exit that are errors of this package, by tag. */
export const defectTags = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<string> =>
  Exit.isSuccess(exit)
    ? []
    : exit.cause.reasons
        .filter(Cause.isDieReason)
        .map(({ defect }) => (ThreadError.isThreadError(defect) ? defect.reason._tag : String(defect)))

/** Runs an effect for a stretch of virtual time, in which it has to end. */
export const endsIn = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  duration: Parameters<typeof TestClock.adjust>[0]
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    yield* settle
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    yield* TestClock.adjust(duration)
    expect(fiber.pollUnsafe(), "still waits").toBeDefined()
    return yield* Fiber.join(fiber)
  })

/** Runs all code that is ready. */
export const settle: Effect.Effect<void> = TestClock.adjust(0)

/**
 * A clock whose time only synchronous code moves. No timer of the clock can run, and `slept` has the times of all
 * timers.
 */
export const makeHand = () => {
  const hand = { now: 0, slept: new Array<number>() }
  const nanos = () => BigInt(hand.now) * 1_000_000n
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: () => hand.now,
    currentTimeMillis: Effect.sync(() => hand.now),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Effect.andThen(
        Effect.sync(() => hand.slept.push(Duration.toMillis(duration))),
        Effect.never
      )
  }
  return { hand, provided: Effect.provideService(Clock.Clock, clock) }
}
