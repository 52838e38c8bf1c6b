/**
 * Synchronous sections, declared: one may be ended from outside, the other may not.
 *
 * What that means is the adapter's. On a fiber no rung reaches into a section, as whoever would end it runs on the
 * same thread: there it runs to its end or to its next `token.check()`, and `Blocking.preemption` says `"none"`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { CancelError, toCause } from "./CancelReason.ts"
import { finiteMillis } from "./internal/duration.ts"
import * as StopToken from "./StopToken.ts"
import type * as ThreadError from "./ThreadError.ts"

/**
 * How sections are run. `preemption` names the rung that can end an interruptible section: `"none"` on a fiber, `"unwind"`
 * where the adapter's `unwind` rung works. `graceMillis` is how long the section has to notice a cancel by itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Runner {
  readonly preemption: "none" | "unwind"
  readonly interruptible: <A>(
    section: (token: StopToken.StopToken) => A,
    graceMillis: number
  ) => Effect.Effect<A, ThreadError.ThreadError>
  readonly uninterruptible: <A>(section: () => A) => Effect.Effect<A>
}

const inline: Runner = {
  preemption: "none",
  interruptible: (section) => Effect.flatMap(StopToken.current, (token) => attempt(() => section(token))),
  uninterruptible: (section) => Effect.uninterruptible(Effect.sync(section))
}

/** What `token.check` throws is not a failure of the section but its interruption. */
const attempt = <A>(section: () => A): Effect.Effect<A> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(section())
    } catch (thrown) {
      return thrown instanceof CancelError ? Effect.failCause(toCause(thrown.reason)) : Effect.die(thrown)
    }
  })

/**
 * How sections are run here; adapters provide their own.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentRunner: Context.Reference<Runner> = Context.Reference<Runner>("@quiesce/core/Blocking/Runner", {
  defaultValue: () => inline
})

/**
 * The rung that can end an interruptible section here, or `"none"`.
 *
 * @category observing
 * @since 0.1.0
 */
export const preemption: Effect.Effect<Runner["preemption"]> = Effect.map(CurrentRunner, (runner) => runner.preemption)

/**
 * Runs a synchronous section that may be ended. It can notice a cancel through the token; where the adapter can end it
 * by force, that comes after `grace` (default: at once). What it throws is a defect, except for what `token.check`
 * throws, which interrupts.
 *
 * *Cancellation*: where it is ended by force, its own `catch` and `finally` do not run, the fiber's finalizers do.
 *
 * @category constructors
 * @since 0.1.0
 */
export const interruptible = <A>(
  section: (token: StopToken.StopToken) => A,
  options?: { readonly grace?: Duration.Input | undefined }
): Effect.Effect<A, ThreadError.ThreadError> =>
  Effect.flatMap(Effect.fromResult(finiteMillis("Blocking.interruptible's grace", options?.grace ?? 0)), (millis) =>
    Effect.flatMap(CurrentRunner, (runner) => runner.interruptible(section, millis))
  )

/**
 * Runs a synchronous section that must not be ended. A cancel waits for its end.
 *
 * @category constructors
 * @since 0.1.0
 */
export const uninterruptible = <A>(section: () => A): Effect.Effect<A> =>
  Effect.flatMap(CurrentRunner, (runner) => runner.uninterruptible(section))
