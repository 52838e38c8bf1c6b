/**
 * The policy of a shutdown: the rungs to climb, and a grace for each.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as Texts from "./internal/errorTexts.ts"
import * as Misuse from "./internal/misuse.ts"
import * as Steps from "./internal/steps.ts"
import type * as ThreadError from "./ThreadError.ts"

/**
 * The rungs in the order in which they are climbed.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export const rungs: typeof Steps.rungs = Steps.rungs

/**
 * A rung: one way to end a thread, from a request to force.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Rung = (typeof rungs)[number]

/**
 * The grace for each rung. A rung without a grace is not climbed. The order is always `stop`, `interrupt`, `unwind`,
 * `kill`. Only the last rung may wait without limit (`"Infinity"`).
 *
 * A thread may lack a rung. In place of the first rung above `stop`, such a thread is interrupted, and has the grace of the
 * rung. A later rung that the thread lacks is left out, and the report names that rung. A thread that outlasts the last rung
 * is abandoned: its waiters resume with an error.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Escalation {
  readonly stop?: Duration.Input | undefined
  readonly interrupt?: Duration.Input | undefined
  readonly unwind?: Duration.Input | undefined
  readonly kill?: Duration.Input | undefined
}

/**
 * Interrupt, and wait without limit for the finalizers. The default for fibers, as in Effect.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const interrupt: Escalation = { interrupt: Duration.infinity }

/**
 * A stop with five seconds to drain, then an interrupt with five seconds for the finalizers.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const graceful: Escalation = { stop: "5 seconds", interrupt: "5 seconds" }

/**
 * The escalation of threads that are spawned without an escalation of their own. A thread keeps the value of the time of
 * its spawn.
 *
 * @stability unstable
 * @category references
 * @since 0.1.0
 */
export const Current: Context.Reference<Escalation> = /* @__PURE__ */ Context.Reference<Escalation>(
  "@quiesce/core/Escalation/Current",
  { defaultValue: () => interrupt }
)

/**
 * One rung with its grace in milliseconds.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Step {
  readonly rung: Rung
  readonly grace: number
}

/**
 * The steps of an escalation in climbing order, or the error in the escalation.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const steps = (self: Escalation): Result.Result<ReadonlyArray<Step>, ThreadError.ThreadError> => {
  const steps = Steps.of(self)
  return typeof steps === "string"
    ? Result.fail(Misuse.error({ _tag: "InvalidEscalation", problem: steps }, Texts.invalidEscalation))
    : Result.succeed(steps)
}
