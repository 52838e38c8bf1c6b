/**
 * Sections: synchronous code with a declaration of whether the code may be ended in the middle.
 *
 * The adapter decides how a section is ended. On a fiber no rung reaches into a section, because the code that would end
 * the section needs the same JavaScript thread. There a section runs to its end or to its next `token.check()`, and
 * `Blocking.preemption` is `"none"`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { CancelError, isCancelReason, toCause } from "./CancelReason.ts"
import { finiteMillis } from "./internal/duration.ts"
import { readOr } from "./internal/foreignValue.ts"
import * as StopToken from "./StopToken.ts"
import type * as ThreadError from "./ThreadError.ts"

/**
 * Runs sections. `preemption` names the rung that can end an interruptible section: `"none"` on a fiber, `"unwind"` on an
 * adapter with that rung. `graceMillis` is the time in which the section may notice a cancel by itself.
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

/** An error thrown by `token.check` interrupts the section; any other error is a defect. */
const attempt = <A>(section: () => A): Effect.Effect<A> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(section())
    } catch (thrown) {
      const reason = readOr(() => (thrown instanceof CancelError ? thrown.reason : undefined), undefined)
      return isCancelReason(reason) ? Effect.failCause(toCause(reason)) : Effect.die(thrown)
    }
  })

/**
 * The runner of the sections of a fiber. Adapters provide their own.
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
 * Runs a synchronous section that may be ended. The section can notice a cancel through the token. An adapter that can end
 * sections by force does so after `grace` (default: at once). An error of the section is a defect, except for the error of
 * `token.check`, which interrupts.
 *
 * *Cancellation*: if the section is ended by force, its own `catch` and `finally` don't run; the fiber's finalizers do.
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
 * Runs a synchronous section that must not be ended. A cancel waits for the end of the section.
 *
 * @category constructors
 * @since 0.1.0
 */
export const uninterruptible = <A>(section: () => A): Effect.Effect<A> =>
  Effect.flatMap(CurrentRunner, (runner) => runner.uninterruptible(section))
