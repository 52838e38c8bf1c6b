/**
 * Sections: synchronous code with a declaration of whether the code may be ended in the middle.
 *
 * The adapter decides how a section is ended. On a fiber of Node, the platform ends a section at its deadline
 * (`Deadline.within`), and `Blocking.preemption` is `"deadline"`. A request can't end the section before, because the code
 * of the request needs the same JavaScript thread. On a platform without a watchdog for synchronous code, such as a
 * browser, a section on a fiber runs to its end or to its next `token.check()`, and `Blocking.preemption` is `"none"`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Argument from "./internal/argument.ts"
import { finiteMillis } from "./internal/duration.ts"
import * as FiberSections from "./internal/fiberSections.ts"
import type * as StopToken from "./StopToken.ts"

/**
 * Runs sections. `preemption` names the means to end an interruptible section: `"unwind"` on an adapter with that rung,
 * `"deadline"` on a fiber, and `"none"` on a fiber of a platform that can't end synchronous code. `graceMillis` is the time
 * in which the section may notice a cancel or its deadline by itself.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Runner {
  readonly preemption: "none" | "deadline" | "unwind"
  readonly interruptible: <A>(section: (token: StopToken.StopToken) => A, graceMillis: number) => Effect.Effect<A>
  readonly uninterruptible: <A>(section: () => A) => Effect.Effect<A>
}

/**
 * The runner of the sections of a fiber. Adapters provide their own.
 *
 * @stability unstable
 * @category references
 * @since 0.1.0
 */
export const CurrentRunner: Context.Reference<Runner> = /* @__PURE__ */ Context.Reference<Runner>(
  "@quiesce/core/Blocking/Runner",
  {
    defaultValue: () => FiberSections.onPlatform
  }
)

/**
 * The means to end an interruptible section here: the rung `unwind`, only a `"deadline"`, or `"none"`. On a fiber, the first
 * call tries out the platform, in about 2 ms.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const preemption: Effect.Effect<Runner["preemption"]> = /* @__PURE__ */ Effect.map(
  CurrentRunner,
  (runner) => runner.preemption
)

/**
 * Runs a synchronous section that may be ended. The section can notice a cancel through the token. An adapter that can end
 * sections by force does so after `grace` (default: at once). An error of the section is a defect, except for the error of
 * `token.check`, which interrupts. A section that returns a promise or an Effect is a defect, because that work would go on
 * outside the section: `Abort.promise` waits for a promise, and ends it by an AbortSignal.
 *
 * On a fiber of Node, the section is ended at its deadline, with the same result as a `token.check()` that notices the
 * deadline. A section that would begin after its deadline does not begin. A section under a mask or in a release is not
 * ended.
 *
 * *Cancellation*: if the section is ended by force, its own `catch` and `finally` don't run; the fiber's finalizers do.
 *
 * *Gotchas*: the following holds on a fiber. The deadline counts by the clock of the machine, so under another `Clock`,
 * such as `TestClock`, nothing is ended. Everything that the section calls is part of it, also a section or a mask inside a
 * `runSync`. A native call, such as `pbkdf2Sync`, is ended when it returns, and a loop of `JSON.parse` or `JSON.stringify`
 * alone may be ended late. Each section with a deadline takes a thread of the platform for its time: 0.1 ms or more, and a
 * few file descriptors. Node aborts the process if it has none left. On Node 22, a section that is ended inside an
 * `AsyncResource.runInAsyncScope` of its own, or while it resumes a fiber, loses its AsyncLocalStorage context.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const interruptible = <A>(
  section: (token: StopToken.StopToken) => A,
  options?: { readonly grace?: Duration.Input | undefined }
): Effect.Effect<A> =>
  typeof section === "function"
    ? Effect.flatMap(finiteMillis("Blocking.interruptible's grace", options?.grace ?? 0), (millis) =>
        Effect.flatMap(CurrentRunner, (runner) => runner.interruptible(section, millis))
      )
    : Argument.die("Blocking.interruptible", section, Argument.aFunction)

/**
 * Runs a synchronous section that must not be ended. A cancel waits for the end of the section. A section that returns a
 * promise or an Effect is a defect.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const uninterruptible = <A>(section: () => A): Effect.Effect<A> =>
  typeof section === "function"
    ? Effect.flatMap(CurrentRunner, (runner) => runner.uninterruptible(section))
    : Argument.die("Blocking.uninterruptible", section, Argument.aFunction)
