/** The options of an exploration, with their check. An option that would try nothing is refused. */
import { textOf } from "@quiesce/core/internal"
import type { Raisable } from "@quiesce/core/Thread"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as TestingError from "../../TestingError.ts"
import { visibilityProblem } from "../effectInternals.ts"

/**
 * The place of a cancel: the `step` of the whole program and, with two interrupts, a `second` step later. Step 0 stands for
 * a run without a cancel.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface CancelPoint {
  readonly step: number
  readonly second?: number | undefined
}

/**
 * The options of an exploration. After each cancel the program runs once more, in the same environment if any, and must end
 * with the same exit as without a cancel.
 *
 * - `environment`: the Layer of the program. It is built anew for each cancel, and taken down before the search for
 *   left-overs
 * - `cuts`: the limit on cancels (default 1,000). A program with more steps is cancelled at a sample of them, by `seed`
 * - `hit`: an interrupt (the default), two interrupts, or an error that is raised into the program. An exploration in which
 *   no `Thread.receive` of the program gets the error fails with `InvalidOption`
 * - `seed`: the seed of the sample and of the order of tasks. Without a seed, tasks run first in, first out
 * - `only`: the cancels to try, as a finding prints them
 * - `live`: real time, for programs with files, sockets, workers or child processes. A millisecond of waiting is also a
 *   step, and steps may differ between runs. Left-overs of such a program are findings, as in `Leaks`
 * - `within`: with `live`, the limit, in real time, on the wait for closing resources (default one second). Without
 *   left-overs there is no wait
 * - `stopAfter`: the real time after which no further cancel is tried (default 4 seconds with `live`, otherwise no limit),
 *   so that a test reports before the limit of its runner. With `live`, the cancels are tried in a random order by `seed`,
 *   so that the tried cancels are spread over the program. `untried` of the result is the number of the others
 * - `budget`: the number of steps after which a run is given up (default 100,000)
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options<R = never, E = never> {
  readonly environment?: Layer.Layer<R, E> | undefined
  readonly cuts?: number | undefined
  readonly hit?: "interrupt" | "interruptTwice" | { readonly raise: Raisable } | undefined
  readonly seed?: number | undefined
  readonly only?: ReadonlyArray<CancelPoint> | undefined
  readonly live?: boolean | undefined
  readonly within?: Duration.Input | undefined
  readonly stopAfter?: Duration.Input | undefined
  readonly budget?: number | undefined
}

type Refusal = Effect.Effect<never, TestingError.TestingError>

const invalid = (option: string, problem: string): Refusal =>
  Effect.fail(TestingError.make({ _tag: "InvalidOption", option, problem }))

const isCount = (value: unknown): boolean => Number.isInteger(value) && Number(value) > 0

/** Checks the installed Effect and the options before the first run. */
export const checked = <R, E>({
  budget,
  cuts,
  hit,
  live,
  only,
  seed
}: Options<R, E>): Effect.Effect<void, TestingError.TestingError> => {
  const problem = visibilityProblem()
  if (problem !== undefined) return Effect.fail(TestingError.make({ _tag: "UnknownEffect", problem }))
  if (budget !== undefined && !isCount(budget)) return notCount("budget", budget, "steps")
  if (cuts !== undefined && !isCount(cuts)) return notCount("cuts", cuts, "cuts")
  const known = hit === undefined || hit === "interrupt" || hit === "interruptTwice" || isRaise(hit)
  if (!known)
    return invalid("hit", `${textOf(hit)} is no hit; give "interrupt", "interruptTwice" or { raise: anError }`)
  if (seed !== undefined && !Number.isInteger(seed)) return notSeed("seed", seed)
  if (live !== undefined && typeof live !== "boolean") {
    return invalid("live", `${textOf(live)} is neither true nor false; leave it out for virtual time`)
  }
  return only === undefined ? Effect.void : checkedCuts(only)
}

const checkedCuts = (only: unknown): Effect.Effect<void, TestingError.TestingError> => {
  if (!Array.isArray(only)) return invalid("only", `${textOf(only)} is no array; give the cuts as [{ step: 1 }]`)
  if (only.length === 0) return invalid("only", "it has no cut, so that nothing would be tried; leave it out for all")
  const wrong: number = only.findIndex((cut) => !isCut(cut))
  if (wrong < 0) return Effect.void
  return invalid("only", `${textOf(only[wrong])} is no cut; give one such as { step: 1 } or { step: 1, second: 3 }`)
}

/** Whether the steps are numbers. The program decides whether it has the step. */
const isCut = (cut: unknown): boolean => {
  if (typeof cut !== "object" || cut === null || !("step" in cut) || typeof cut.step !== "number") return false
  return !("second" in cut) || cut.second === undefined || isCount(cut.second)
}

const notSeed = (option: string, value: unknown): Refusal =>
  invalid(option, `${textOf(value)} is no seed; give ${option === "seed" ? "an integer" : "integers"}`)

const notCount = (option: string, value: unknown, of: string): Refusal =>
  invalid(option, `${textOf(value)} is not a number of ${of}; give a positive integer`)

const isRaise = (hit: unknown): boolean =>
  typeof hit === "object" && hit !== null && "raise" in hit && typeof hit.raise === "object" && hit.raise !== null

/** Refuses an exploration in which no hit reached the program, because such an exploration shows nothing. */
export const undelivered: Refusal = invalid(
  "hit",
  "no error was delivered, so that nothing was tried; a raised error reaches only a program inside Thread.receive for its class"
)

/** Checks that the program has the requested steps. Step 0 stands for no cancel. */
export const within = (
  only: ReadonlyArray<CancelPoint>,
  steps: number,
  isLive: boolean
): Effect.Effect<void, TestingError.TestingError> => {
  const far = only.find(({ step }) => !Number.isInteger(step) || step < 0 || (step > steps && !isLive))
  if (far === undefined) return Effect.void
  return invalid("only", `the program has no step ${far.step}; it has the steps 1 to ${steps}, and 0 is no cancel`)
}

/** The seeds of the orders to try. */
export const seedsOf = (
  seeds: number | ReadonlyArray<number> = 100
): Effect.Effect<ReadonlyArray<number>, TestingError.TestingError> => {
  if (typeof seeds === "number") {
    return isCount(seeds)
      ? Effect.succeed(Array.from({ length: seeds }, (_, index) => index + 1))
      : notCount("seeds", seeds, "orders")
  }
  if (!Array.isArray(seeds)) {
    return invalid("seeds", `${textOf(seeds)} is neither a number of orders nor an array of seeds`)
  }
  if (seeds.length === 0) return invalid("seeds", "there is none, so that nothing would be tried; leave it out for 100")
  const other = seeds.findIndex((seed) => !Number.isInteger(seed))
  return other < 0 ? Effect.succeed(seeds) : notSeed("seeds", seeds[other])
}
