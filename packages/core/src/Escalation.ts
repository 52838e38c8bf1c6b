/**
 * The policy of a shutdown: the rungs to climb, and a grace for each.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { describe, millisOf } from "./internal/duration.ts"
import * as ThreadError from "./ThreadError.ts"
import { messageOf } from "./internal/foreignText.ts"

/**
 * The rungs in the order in which they are climbed.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export const rungs = ["stop", "interrupt", "unwind", "kill"] as const

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
 * A rung that the thread's adapter lacks is left out, and the report names the rung. A thread that outlasts the last rung
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

const parsed = new WeakMap<Escalation, Result.Result<ReadonlyArray<Step>, ThreadError.ThreadError>>()

/**
 * The steps of an escalation in climbing order, or the error in the escalation.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const steps = (self: Escalation): Result.Result<ReadonlyArray<Step>, ThreadError.ThreadError> => {
  if (typeof self !== "object" || self === null) return invalid(`it is ${messageOf(self)}`)
  let result = parsed.get(self)
  if (result === undefined) {
    result = parse(self)
    parsed.set(self, result)
  }
  return result
}

const parse = (self: Escalation): Result.Result<ReadonlyArray<Step>, ThreadError.ThreadError> => {
  const unknown = Object.keys(self).find((key) => !(rungs as ReadonlyArray<string>).includes(key))
  if (unknown !== undefined) return invalid(`"${unknown}" is not a rung; the rungs are ${rungs.join(", ")}`)
  const out: Array<Step> = []
  for (const rung of rungs) {
    const input = self[rung]
    if (input === undefined) continue
    const grace = millisOf(input)
    if (Result.isFailure(grace)) return invalid(`the grace for ${rung} is ${describe(input)}`)
    const last = out.at(-1)
    if (last !== undefined && last.grace === Infinity) {
      return invalid(`${rung} would never be reached, because ${last.rung} waits without limit`)
    }
    out.push({ rung, grace: grace.success })
  }
  return out.length === 0 ? invalid("it has no rung") : Result.succeed(out)
}

const invalid = (problem: string): Result.Result<never, ThreadError.ThreadError> =>
  Result.fail(ThreadError.make({ _tag: "InvalidEscalation", problem }))
