/**
 * Tries a program with a cancel at every one of its steps: is everything that it acquired released, once and in order,
 * is nothing left of it, and does what it ran in still work?
 *
 * A program is run once to count its steps, and then afresh for each of them. It runs as a thread, in virtual time, so a
 * program that sleeps for an hour takes no longer than one that does not. The idea of sweeping every yield is that of
 * those who found leaks at interruption in Effect's own modules that way by hand (effect issue 8390).
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type Blow, ExploredRun, type Result } from "./internal/exploredRun.ts"
import { limitOf } from "./internal/limit.ts"
import * as Journal from "./Journal.ts"
import { cutsOf } from "./Scenario.ts"
import { random } from "./StepScheduler.ts"
import * as TestingError from "./TestingError.ts"

/**
 * Where a program is hit: at `step` of the whole program and, with two blows, at a `second` step after it.
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

/**
 * What a cancel left behind: where it fell (the fiber, its thread, and the span or traced function that it was in), what is
 * wrong, and what was acquired and released in which order.
 *
 * @category models
 * @since 0.1.0
 */
export interface Finding {
  readonly cut: Cut
  readonly place: string
  readonly problems: ReadonlyArray<string>
  readonly trace: string
}

/**
 * What came of it. `steps` is the number of steps of the program, `cuts` at how many of them it was hit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Exploration {
  readonly steps: number
  readonly cuts: number
  readonly seed: number | undefined
  readonly findings: ReadonlyArray<Finding>
}

/** What a program may need: what the environment gives, and a scope of its own. */
type Program<R> = Effect.Effect<unknown, unknown, R | Scope.Scope>

/**
 * Tries a program at every step and gives all findings.
 *
 * Fails with `Empty`, `NeverEnds`, `Deadlock` or `NotDeterministic` where the program can't be tried, and with
 * `InvalidOption`.
 *
 * *Cancellation*: between two runs.
 *
 * @category runners
 * @since 0.1.0
 */
export const explore = <R = never, E = never>(
  program: Program<R>,
  options: Options<R, E> = {}
): Effect.Effect<Exploration, TestingError.TestingError> =>
  Effect.gen(function* () {
    yield* checked(options)
    const whole = yield* baseline(program, options)
    const cuts = options.only ?? plan(whole.steps, options)
    const findings: Array<Finding> = []
    for (const cut of cuts) {
      const result = yield* once(program, options, blowsOf(cut, options))
      // In no environment, what a cancel may have broken is what outlives the program: a fresh run shows it.
      const again = options.environment === undefined ? (yield* once(program, options, [])).exit : result.again
      const problems = problemsOf(result, whole, again)
      if (problems.length > 0) {
        findings.push({ cut, place: result.place, problems, trace: Journal.render(result.journal, result.entries) })
      }
    }
    return { steps: whole.steps, cuts: cuts.length, seed: options.seed, findings }
  })

/**
 * Tries a program at every step, and fails with `NotCancelSafe` if a cancel left something behind. The error says which,
 * where, and how to see it again.
 *
 * ```ts
 * import { it } from "@effect/vitest"
 * import { Interruption } from "@quiesce/testing"
 *
 * it.effect("an upload leaves nothing behind", () => Interruption.check(upload))
 * ```
 *
 * *Cancellation*: between two runs.
 *
 * @category runners
 * @since 0.1.0
 */
export const check = <R = never, E = never>(
  program: Program<R>,
  options: Options<R, E> = {}
): Effect.Effect<Exploration, TestingError.TestingError> =>
  Effect.flatMap(explore(program, options), (found) =>
    found.findings.length === 0
      ? Effect.succeed(found)
      : Effect.fail(
          TestingError.make({ _tag: "NotCancelSafe", findings: found.findings.length, report: render(found) })
        )
  )

/** How many kinds of findings a text has at most. */
const most = 5

/**
 * The findings as text: of those with the same outcome the first.
 *
 * @category conversions
 * @since 0.1.0
 */
export const render = (self: Exploration): string => {
  const { cuts, findings, seed, steps } = self
  // The number of a process, a worker or a step makes no other kind.
  const kinds = Map.groupBy(findings, ({ problems, trace }) => [...problems, trace].join("\n").replaceAll(/\d+/g, "#"))
  const shown = [...kinds.values()].slice(0, most).map((same) => renderFinding(same[0]!, same.length - 1, self))
  const more = kinds.size > most ? [`... and ${kinds.size - most} other kinds`] : []
  const seeded = seed === undefined ? "" : `, seed ${seed}`
  return [`${steps} steps, ${cuts} cuts, ${findings.length} findings${seeded}`, ...shown, ...more].join("\n\n")
}

const renderFinding = (
  { cut, place, problems, trace }: Finding,
  more: number,
  { seed, steps }: Exploration
): string => {
  const again = JSON.stringify({ ...(seed === undefined ? {} : { seed }), only: [cut] })
  const second = cut.second === undefined ? "" : ` and again ${cut.second} steps later`
  return [
    `hit at step ${cut.step} of ${steps}${second}${more === 0 ? "" : ` (and ${more} more with the same outcome)`}, ${place}`,
    ...problems.map((problem) => `  - ${problem}`),
    `  trace: ${trace}`,
    `  again: ${again}`
  ].join("\n")
}

// ---- Steps ----

const checked = <R, E>({ budget, cuts }: Options<R, E>): Effect.Effect<void, TestingError.TestingError> => {
  for (const [option, value] of Object.entries({ budget, cuts })) {
    if (value === undefined || (Number.isInteger(value) && value > 0)) continue
    const problem = `${value} is not a number of ${option === "cuts" ? "cuts" : "steps"}; give a positive integer`
    return Effect.fail(TestingError.make({ _tag: "InvalidOption", option, problem }))
  }
  return Effect.void
}

const once = <R, E>(
  program: Program<R>,
  options: Options<R, E>,
  blows: ReadonlyArray<Blow>
): Effect.Effect<Result, TestingError.TestingError> =>
  Effect.flatMap(Effect.fromResult(limitOf(options.within)), (within) =>
    Effect.promise(() =>
      new ExploredRun({
        // What it needs, the environment gives.
        program: program as Effect.Effect<unknown, unknown, Scope.Scope>,
        environment: options.environment,
        live: options.live === true ? { within } : undefined,
        seed: options.seed,
        budget: options.budget ?? 100_000,
        blows
      }).run()
    )
  )

/** The program without a cancel, twice. */
const baseline = <R, E>(
  program: Program<R>,
  options: Options<R, E>
): Effect.Effect<Result, TestingError.TestingError> =>
  Effect.gen(function* () {
    const first = yield* once(program, options, [])
    const { steps, waits } = first
    if (first.end === "Endless") return yield* failed({ _tag: "NeverEnds", steps: options.budget ?? 100_000, waits })
    if (first.end === "Deadlock") return yield* failed({ _tag: "Deadlock", waits })
    const { steps: trivial } = yield* once(Effect.void, options, [])
    if (steps <= trivial) return yield* failed({ _tag: "Empty" })
    const second = yield* once(program, options, [])
    if (options.live !== true && second.steps !== steps) {
      return yield* failed({ _tag: "NotDeterministic", first: steps, second: second.steps })
    }
    return first
  })

const failed = (reason: TestingError.TestingErrorReason): Effect.Effect<never, TestingError.TestingError> =>
  Effect.fail(TestingError.make(reason))

const plan = <R, E>(steps: number, options: Options<R, E>): ReadonlyArray<Cut> => {
  const seed = options.seed ?? steps
  const next = random(seed)
  return cutsOf(steps, options.cuts ?? 1000, seed).map((step) =>
    options.hit === "interruptTwice" ? { step, second: 1 + Math.floor(next() * 12) } : { step }
  )
}

const blowsOf = <R, E>({ second, step }: Cut, { hit }: Options<R, E>): ReadonlyArray<Blow> => {
  const raise = typeof hit === "object" ? hit.raise : undefined
  const first = { step, raise }
  return second === undefined ? [first] : [first, { step: step + second, raise }]
}

const problemsOf = (result: Result, whole: Result, again: Result["exit"]): ReadonlyArray<string> => {
  if (result.end !== "Done") {
    const how = result.end === "Deadlock" ? "it never ended" : "it went on and on"
    return [`after the hit ${how}`, ...result.waits]
  }
  const died = result.exit !== undefined && Exit.hasDies(result.exit) && !Exit.hasDies(whole.exit!)
  return [
    ...Journal.problems(result.journal),
    ...result.left,
    ...(died ? [`it died: ${String(result.exit)}`] : []),
    ...(again?._tag === whole.exit?._tag ? [] : [`run once more, it ended as ${String(again)}`])
  ]
}
