/**
 * A deadline: the time at which work is interrupted. Deadlines nest, and the earliest holds.
 *
 * A child thread has the deadline of the code that spawned the child, also on another adapter.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as CancelReason from "./CancelReason.ts"
import * as Argument from "./internal/argument.ts"
import * as CancelScope from "./internal/cancelScope.ts"
import { isExceeded } from "./internal/deadlines.ts"
import { finiteMillis } from "./internal/duration.ts"
import { errorBase } from "./internal/errorBase.ts"
import { messageOf } from "./internal/foreignText.ts"
import { readOr } from "./internal/foreignValue.ts"
import { timer } from "./internal/waiting.ts"

interface Fields {
  readonly millis: number
  readonly suppressed: ReadonlyArray<unknown>
}

const Base: new (fields: Fields) => Cause.YieldableError & Fields & { readonly _tag: "DeadlineExceeded" } =
  /* @__PURE__ */ errorBase("DeadlineExceeded")

/**
 * The error of work that did not end within its deadline of `millis` milliseconds. The work was interrupted, and its
 * finalizers have run unless the work was ended by force. `suppressed` has the errors and defects of the finalizers.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class DeadlineExceeded extends Base {
  override get message(): string {
    const also = this.suppressed.length === 0 ? "" : ` ${failures(this.suppressed)}`
    return `The work did not end within its deadline of ${this.millis} ms and was interrupted.${also} Give it more time, or less to do.`
  }

  /** The printed form, also for `console.log`. */
  override toJSON(): unknown {
    return { _tag: this._tag, message: this.message, millis: this.millis, suppressed: this.suppressed }
  }
}

const failures = (suppressed: ReadonlyArray<unknown>): string =>
  `${suppressed.length === 1 ? "A finalizer" : `${suppressed.length} finalizers`} failed: ${suppressed.map(messageOf).join("; ")}.`

/**
 * Whether a value is a `DeadlineExceeded`.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isDeadlineExceeded = (u: unknown): u is DeadlineExceeded =>
  readOr(() => u instanceof DeadlineExceeded, false)

/**
 * The effective deadline, in milliseconds since the epoch by the `Clock`; `Infinity` without a deadline.
 *
 * @stability unstable
 * @category references
 * @since 0.1.0
 */
export const Current: Context.Reference<number> = /* @__PURE__ */ Context.Reference<number>(
  "@quiesce/core/Deadline/Current",
  {
    defaultValue: () => Infinity
  }
)

/**
 * The time until the deadline, at least zero; infinite without a deadline.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const remaining: Effect.Effect<Duration.Duration> = /* @__PURE__ */ Effect.withFiber((fiber) => {
  const deadline = fiber.getRef(Current)
  return Effect.succeed(
    deadline === Infinity
      ? Duration.infinity
      : Duration.millis(Math.max(0, deadline - fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()))
  )
})

/**
 * Gives an effect a deadline. At the deadline the effect is interrupted with the reason `DeadlineExceeded`, its finalizers
 * run, and then `within` fails with the error `DeadlineExceeded`. If an outer deadline is as early, the outer deadline
 * holds and `within` changes nothing. A finalizer that fails meanwhile is in `suppressed` of the error and is logged.
 * Synchronous code may notice the deadline first, through its token; the result is the same.
 *
 * *Cancellation*: the effect is interrupted with the same reason and awaited.
 *
 * @stability unstable
 * @category combinators
 * @since 0.1.0
 */
export const within: {
  (duration: Duration.Input): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | DeadlineExceeded, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, duration: Duration.Input): Effect.Effect<A, E | DeadlineExceeded, R>
} = /* @__PURE__ */ dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, duration: Duration.Input): Effect.Effect<A, E | DeadlineExceeded, R> =>
    Effect.flatMap(finiteMillis("Deadline.within's duration", duration), (millis) =>
      Effect.withFiber((fiber) => {
        const clock = fiber.getRef(Clock.Clock)
        const deadline = clock.currentTimeMillisUnsafe() + millis
        const work = Argument.effect("Deadline.within", self)
        return deadline < fiber.getRef(Current) ? limited(work, deadline, millis, clock, fiber.context) : work
      })
    )
)

const limited = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  deadline: number,
  millis: number,
  clock: Clock.Clock,
  context: Context.Context<never>
): Effect.Effect<A, E | DeadlineExceeded, R> => {
  let passed = false
  return CancelScope.run(
    Effect.provideService(self, Current, deadline),
    (interrupt) =>
      timer(context, millis, () => {
        passed = true
        interrupt({ ...CancelReason.deadlineExceeded(deadline), at: clock.currentTimeMillisUnsafe() })
      }),
    (exit): Effect.Effect<A, E | DeadlineExceeded> => {
      if (!Exit.isFailure(exit) || !Exit.hasInterrupts(exit)) return exit
      // A token may notice the deadline before the timer can run.
      if (!passed && !isExceeded(exit.cause, deadline, clock.currentTimeMillisUnsafe())) return exit
      return exceeded(millis, exit.cause)
    }
  )
}

/** The failures are no part of the Cause, because `Effect.catchTag` finds no error in a Cause with a defect. */
const exceeded = (millis: number, cause: Cause.Cause<unknown>): Effect.Effect<never, DeadlineExceeded> => {
  const others = cause.reasons.filter((reason) => !Cause.isInterruptReason(reason))
  const suppressed = others.map((reason) => (Cause.isFailReason(reason) ? reason.error : reason.defect))
  const failure = Effect.fail(new DeadlineExceeded({ millis, suppressed }))
  if (others.length === 0) return failure
  return Effect.andThen(Effect.logError("A finalizer failed after a deadline", Cause.fromReasons(others)), failure)
}
