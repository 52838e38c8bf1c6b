/**
 * Runs a program in many orders of its fibers, each from a seed, and finds the orders with a wrong result: bugs of order,
 * and deadlocks.
 *
 * @since 0.1.0
 */
import { textOf } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { checked, seedsOf } from "./internal/explore/explorationOptions.ts"
import { ExploredRun, type Result } from "./internal/explore/exploredRun.ts"
import type { AnyProgram, Explorer } from "./internal/explore/explorer.ts"
import * as Journal from "./Journal.ts"
import { checkedProgram } from "./internal/explore/givenProgram.ts"
import * as TestingError from "./TestingError.ts"

/**
 * The options: the seeds (default: 1 to 100), the environment of the program, and the limit of steps for one run (default
 * 100,000).
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options<R = never, E = never> {
  readonly environment?: Layer.Layer<R, E> | undefined
  readonly seeds?: number | ReadonlyArray<number> | undefined
  readonly budget?: number | undefined
}

/**
 * An order in which the program did not succeed: the seed that repeats the order, and the problem. For a deadlock, the
 * problem names the waiting fibers and their waits.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Finding {
  readonly seed: number
  readonly problems: ReadonlyArray<string>
  readonly trace: string
}

/**
 * The result: the number of tried orders, the number of different orders (by the journal and the number of steps), and the
 * orders that went wrong.
 *
 * @stability unstable
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
 * Runs a program in many orders. The program must succeed in each order and leave nothing over. Fails with `InvalidOption`,
 * with `UnknownEffect` if the kit can't see the fibers of the installed Effect, and with `NotDeterministic` if the seed of
 * a wrong order does not repeat the problem.
 *
 * @stability unstable
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
    yield* checkedProgram("Interleaving", program, options)
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
      // A problem that its seed does not repeat depends on something else.
      if (findings.length === 0) yield* checkAgain(result, yield* inOrder(program, options, budget, seed))
      findings.push({ seed, problems, trace })
    }
    return { orders: all.length, distinct: seen.size, findings }
  })

/**
 * As `explore`, but fails with `WrongOrder` if an order went wrong.
 *
 * @stability unstable
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
      // The environment provides the services.
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
    ...(failed ? [`it ended as ${textOf(result.exit)}`] : []),
    ...Journal.problems(result.journal),
    ...result.left
  ]
}
