/**
 * Runs a program in many orders of its fibers, each given by a seed, and finds those in which it does not end as it
 * should: bugs of order, and deadlocks.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { checked, seedsOf } from "./internal/explore/explorationOptions.ts"
import { ExploredRun, type Result } from "./internal/explore/exploredRun.ts"
import type { AnyProgram, Explorer } from "./internal/explore/explorer.ts"
import * as Journal from "./Journal.ts"
import * as TestingError from "./TestingError.ts"

/**
 * How a program is run: with which seeds (default: 1 to 100), in which environment, and the number of steps after which
 * it is given up (default 100,000).
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<R = never, E = never> {
  readonly environment?: Layer.Layer<R, E> | undefined
  readonly seeds?: number | ReadonlyArray<number> | undefined
  readonly budget?: number | undefined
}

/**
 * An order in which the program did not succeed: its seed, with which it does the same again, and what went wrong. For a
 * deadlock that is who waits for what.
 *
 * @category models
 * @since 0.1.0
 */
export interface Finding {
  readonly seed: number
  readonly problems: ReadonlyArray<string>
  readonly trace: string
}

/**
 * What came of it: how many orders were tried, how many of them were different (by what was acquired and released, and
 * the number of steps), and those that went wrong.
 *
 * @category models
 * @since 0.1.0
 */
export interface Exploration {
  readonly orders: number
  readonly distinct: number
  readonly findings: ReadonlyArray<Finding>
}

type AnyOptions = Options<never, unknown>
type Settings = Omit<Options, "environment">

/**
 * Runs a program in many orders. It must succeed in each, and leave nothing behind. Fails with `InvalidOption`, and
 * with `NotDeterministic` where an order that goes wrong does not come again with its seed.
 *
 * @category runners
 * @since 0.1.0
 */
export const explore: Explorer<Settings, Exploration> = (program: AnyProgram, options?: AnyOptions) =>
  exploreAny(program, options)

const exploreAny = (
  program: AnyProgram,
  options: AnyOptions = {}
): Effect.Effect<Exploration, TestingError.TestingError> =>
  Effect.gen(function* () {
    const { budget = 100_000 } = options
    yield* checked({ budget })
    const all = yield* seedsOf(options.seeds)
    const seen = new Set<string>()
    const findings: Array<Finding> = []
    for (const seed of all) {
      const result = yield* inOrder(program, options, budget, seed)
      const trace = Journal.render(result.journal, result.entries)
      seen.add(`${result.steps} ${trace}`)
      const problems = problemsOf(result)
      if (problems.length === 0) continue
      // What does not come again with its seed depends on something else.
      if (findings.length === 0) yield* checkAgain(result, yield* inOrder(program, options, budget, seed))
      findings.push({ seed, problems, trace })
    }
    return { orders: all.length, distinct: seen.size, findings }
  })

/**
 * As `explore`, but fails with `WrongOrder` if an order went wrong.
 *
 * @category runners
 * @since 0.1.0
 */
export const check: Explorer<Settings, Exploration> = (program: AnyProgram, options?: AnyOptions) =>
  Effect.flatMap(exploreAny(program, options), (found) => {
    const { findings, orders } = found
    const first = findings[0]
    if (first === undefined) return Effect.succeed(found)
    return Effect.fail(TestingError.make({ _tag: "WrongOrder", findings: findings.length, orders, ...first }))
  })

const inOrder = (program: AnyProgram, options: AnyOptions, budget: number, seed: number): Effect.Effect<Result> =>
  Effect.promise(() =>
    new ExploredRun({
      // What it needs, the environment gives.
      program: program as Effect.Effect<unknown, unknown, Scope.Scope>,
      environment: options.environment,
      live: undefined,
      injections: [],
      seed,
      budget
    }).run()
  )

const checkAgain = (first: Result, second: Result): Effect.Effect<void, TestingError.TestingError> =>
  first.end === second.end && first.steps === second.steps && first.exit?._tag === second.exit?._tag
    ? Effect.void
    : Effect.fail(TestingError.make({ _tag: "NotDeterministic", first: first.steps, second: second.steps }))

const problemsOf = (result: Result): ReadonlyArray<string> => {
  if (result.end === "Endless") return ["it went on and on", ...result.waits]
  if (result.end === "Deadlock") return ["it never ended: nothing could run any more", ...result.waits]
  if (result.broken !== undefined) return [`its environment failed: ${result.broken}`]
  const failed = result.exit === undefined || Exit.isFailure(result.exit)
  return [
    ...(failed ? [`it ended as ${String(result.exit)}`] : []),
    ...Journal.problems(result.journal),
    ...result.left
  ]
}
