/** The options of an exploration, checked: one by which nothing would be tried, or not what was meant, is refused. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { format } from "effect/Formatter"
import type * as Layer from "effect/Layer"
import * as TestingError from "../../TestingError.ts"

/**
 * Where a program is hit: at `step` of the whole program and, with two hits, at a `second` step after it. Step 0 is that of
 * a run without a cancel.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cut {
  readonly step: number
  readonly second?: number | undefined
}

/**
 * How a program is tried. After each cancel it is run once more, in the same environment if it has one, and must end as it
 * does without a cancel.
 *
 * - `environment`: what the program runs in. It is built anew for each cut, and taken down before anything is looked for
 * - `cuts`: at how many steps at most (default 1,000): all of them where there are no more, else a sample by `seed`
 * - `hit`: with an interrupt (the default), two interrupts, or an error that is raised into the program
 * - `seed`: of the sample, and of the order in which tasks run; without one they run first in, first out
 * - `only`: just these cuts, as a finding says them
 * - `live`: real time, for programs that use files, sockets, workers or child processes. A millisecond of waiting is a
 *   step, too, and steps may differ from run to run. What such a program has made and is still there after its end is a
 *   finding, as in `Leaks`
 * - `within`: with `live`, for how long, in real time, what is closing is waited for (default one second). Nothing is
 *   waited for when nothing is there
 * - `budget`: the number of steps after which a run is given up (default 100,000)
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<R = never, E = never> {
  readonly environment?: Layer.Layer<R, E> | undefined
  readonly cuts?: number | undefined
  readonly hit?: "interrupt" | "interruptTwice" | { readonly raise: object } | undefined
  readonly seed?: number | undefined
  readonly only?: ReadonlyArray<Cut> | undefined
  readonly live?: boolean | undefined
  readonly within?: Duration.Input | undefined
  readonly budget?: number | undefined
}

type Refusal = Effect.Effect<never, TestingError.TestingError>

const invalid = (option: string, problem: string): Refusal =>
  Effect.fail(TestingError.make({ _tag: "InvalidOption", option, problem }))

const isCount = (value: unknown): boolean => Number.isInteger(value) && Number(value) > 0

/** What can be said of them before the program is run. */
export const checked = <R, E>({
  budget,
  cuts,
  hit,
  only
}: Options<R, E>): Effect.Effect<void, TestingError.TestingError> => {
  if (budget !== undefined && !isCount(budget)) return notCount("budget", budget, "steps")
  if (cuts !== undefined && !isCount(cuts)) return notCount("cuts", cuts, "cuts")
  const known = hit === undefined || hit === "interrupt" || hit === "interruptTwice" || isRaise(hit)
  if (!known)
    return invalid("hit", `${format(hit)} is no hit; give "interrupt", "interruptTwice" or { raise: anError }`)
  if (only?.length === 0) return invalid("only", "it has no cut, so that nothing would be tried; leave it out for all")
  return Effect.void
}

const notCount = (option: string, value: unknown, of: string): Refusal =>
  invalid(option, `${format(value)} is not a number of ${of}; give a positive integer`)

const isRaise = (hit: unknown): boolean =>
  typeof hit === "object" && hit !== null && "raise" in hit && typeof hit.raise === "object" && hit.raise !== null

/** Whether the program gets as far as the cuts that were asked for. Step 0 stands for no cancel at all. */
export const within = (
  only: ReadonlyArray<Cut>,
  steps: number,
  isLive: boolean
): Effect.Effect<void, TestingError.TestingError> => {
  const far = only.find(({ step }) => !Number.isInteger(step) || step < 0 || (step > steps && !isLive))
  if (far === undefined) return Effect.void
  return invalid("only", `the program has no step ${far.step}; it has the steps 1 to ${steps}, and 0 is no cancel`)
}

/** The seeds of the orders that are to be tried. */
export const seedsOf = (
  seeds: number | ReadonlyArray<number> = 100
): Effect.Effect<ReadonlyArray<number>, TestingError.TestingError> => {
  if (typeof seeds === "number") {
    return isCount(seeds)
      ? Effect.succeed(Array.from({ length: seeds }, (_, index) => index + 1))
      : notCount("seeds", seeds, "orders")
  }
  if (seeds.length === 0) return invalid("seeds", "there is none, so that nothing would be tried; leave it out for 100")
  const other = seeds.find((seed) => !Number.isInteger(seed))
  return other === undefined ? Effect.succeed(seeds) : invalid("seeds", `${format(other)} is no seed; give integers`)
}
