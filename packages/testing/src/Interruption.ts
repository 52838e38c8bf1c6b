/**
 * Cancels a program at every one of its steps. After each cancel, all acquired resources must be released, once and in
 * order, nothing may be left over, and the environment of the program must still work.
 *
 * The first run counts the steps. Then the program runs afresh for each step. The runs are threads in virtual time, so that
 * a sleep of an hour takes no time. The idea of sweeping every yield is from a report that found leaks at interruption in
 * Effect's own modules by hand (effect issue 8390).
 *
 * @since 0.1.0
 */
import { readOr, textOf } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { checked, type CancelPoint, type Options, undelivered, within } from "./internal/explore/explorationOptions.ts"
import { type Injection, ExploredRun, type Result } from "./internal/explore/exploredRun.ts"
import type { AnyProgram, Explorer } from "./internal/explore/explorer.ts"
import { limitOf } from "./internal/time/limit.ts"
import * as TimeBudget from "./internal/explore/timeBudget.ts"
import { random, sampleSteps, shuffled } from "./internal/time/random.ts"
import { counted, gotText } from "./internal/wording.ts"
import { checkedProgram } from "./internal/explore/givenProgram.ts"
import * as Journal from "./Journal.ts"
import * as TestingError from "./TestingError.ts"

export type { CancelPoint, Options } from "./internal/explore/explorationOptions.ts"

/**
 * The problems after one cancel: the place of the cancel (the fiber, its thread, and the span or traced function around the
 * step), the problems, and the journal of acquired and released resources.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Finding {
  readonly cut: CancelPoint
  readonly place: string
  readonly problems: ReadonlyArray<string>
  readonly trace: string
}

/**
 * The result of an exploration. `steps` is the number of steps of the program, `cuts` the number of tried cancels,
 * `untried` the number of cancels for which `stopAfter` left no time, `exit` the exit without a cancel.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Exploration {
  readonly steps: number
  readonly cuts: number
  readonly untried: number
  readonly seed: number | undefined
  readonly exit: Exit.Exit<unknown, unknown>
  readonly findings: ReadonlyArray<Finding>
}

type AnyOptions = Options<never, unknown>
type Settings = Omit<Options, "environment">

/**
 * Cancels a program at every step and returns all findings.
 *
 * Fails with `Empty`, `NeverEnds`, `Deadlock`, `TooSlow`, `Dies`, `BadEnvironment`, `NotRepeatable` or `NotDeterministic`
 * if the program can't be tried, with `UnknownEffect` if the kit can't see the fibers of the installed Effect, and with
 * `InvalidOption`. Without an environment, the exploration stops after the first cancel that changes the exit of the next
 * run, because shared state is broken then.
 *
 * *Cancellation*: between two runs.
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
    yield* checkedProgram("Interruption", program, options)
    yield* checked(options)
    const time = yield* Effect.fromResult(TimeBudget.make(options.stopAfter, options.live === true))
    const [whole, second] = yield* baseline(program, options, time)
    yield* within(options.only ?? [], whole.steps, options.live === true)
    const cuts = options.only ?? plan(whole.steps, options)
    const findings: Array<Finding> = []
    const find = (cut: CancelPoint, result: Result, problems: ReadonlyArray<string>) => {
      if (problems.length === 0) return
      findings.push({ cut, place: result.place, problems, trace: Journal.render(result.journal, result.entries) })
    }
    // A problem without a cancel also appears with most cancels, and is not their fault.
    find(uncut, second, problemsOf(second, whole, options.environment === undefined ? second.exit : second.again))
    if (Exit.hasDies(whole.exit!) && findings.length === 0) {
      return yield* failed({ _tag: "Dies", problem: textOf(whole.exit) })
    }
    let tried = 0
    let untried = 0
    let delivered: boolean | undefined
    for (const cut of cuts) {
      if (!time.next()) {
        untried = cuts.length - tried
        break
      }
      tried++
      if (cut.step === 0) continue
      const { breaks, problems, result } = yield* hit(program, options, cut, whole, time)
      if (delivered !== true) delivered = result.delivered ?? delivered
      find(cut, result, problems)
      if (breaks) break
    }
    if (tried === 0 && findings.length === 0) return yield* failed({ _tag: "TooSlow", millis: time.millis, waits: [] })
    if (delivered === false && findings.length === 0) return yield* undelivered
    findings.sort((a, b) => a.cut.step - b.cut.step)
    return { steps: whole.steps, cuts: tried, untried, seed: options.seed, exit: whole.exit!, findings }
  })

/** The problems after one cancel, and whether shared state is broken. Then a next run would prove nothing. */
interface Hit {
  readonly result: Result
  readonly problems: ReadonlyArray<string>
  readonly breaks: boolean
}

const hit = (
  program: AnyProgram,
  options: AnyOptions,
  cut: CancelPoint,
  whole: Result,
  time: TimeBudget.TimeBudget
): Effect.Effect<Hit, TestingError.TestingError> =>
  Effect.gen(function* () {
    const result = yield* once(program, options, injectionsOf(cut, options), time)
    if (options.environment !== undefined) {
      return { result, problems: problemsOf(result, whole, result.again), breaks: false }
    }
    // Without an environment, a cancel may have broken shared state. A fresh run shows that.
    const fresh = yield* once(program, options, [], time)
    const stuck = fresh.end === "Done" ? [] : [`run once more, it ${howOf(fresh)}`, ...fresh.waits]
    const again = fresh.end === "Done" ? fresh.exit : whole.exit
    const problems = [...problemsOf(result, whole, again), ...stuck]
    return { result, problems, breaks: stuck.length > 0 || again?._tag !== whole.exit?._tag }
  })

const uncut: CancelPoint = { step: 0 }

/**
 * Cancels a program at every step, and fails with `NotCancelSafe` if a cancel left something over. The error names the
 * resource and the place, and says how to repeat the run.
 *
 * ```ts
 * import { it } from "@effect/vitest"
 * import { Interruption } from "@quiesce/testing"
 * import { Effect } from "effect"
 *
 * const upload = Effect.scoped(
 *   Effect.gen(function* () {
 *     yield* Effect.acquireRelease(Effect.succeed("connection"), () => Effect.log("closed"))
 *     yield* Effect.sleep("1 second")
 *   })
 * )
 *
 * it.effect("an upload leaves nothing behind", () => Interruption.check(upload))
 * ```
 *
 * With `live`, the check stops after 4 seconds. It reports the findings until then and the number of cancels that were not
 * tried. Without findings it succeeds, and logs a warning with that number.
 *
 * *Cancellation*: between two runs.
 *
 * @stability unstable
 * @category runners
 * @since 0.1.0
 */
export const check: Explorer<Settings, Exploration> = (program: AnyProgram, options?: AnyOptions) =>
  Effect.flatMap(exploreAny(program, options), (found) => {
    const { length } = found.findings
    if (length > 0) {
      return Effect.fail(TestingError.make({ _tag: "NotCancelSafe", findings: length, report: render(found) }))
    }
    return found.untried === 0
      ? Effect.succeed(found)
      : Effect.as(Effect.logWarning(`Interruption.check: ${render(found)}`), found)
  })

/** The limit on the kinds of findings in a text. */
const most = 5

/**
 * The findings as text: for equal problems only the first finding.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const render = (self: Exploration): string => {
  if (!Array.isArray(readOr(() => self.findings, undefined))) {
    throw new TypeError(
      gotText("Interruption.render", self, "the result of Interruption.explore or Interruption.check")
    )
  }
  const { cuts, exit, findings, seed, steps, untried } = self
  // Findings that differ only in the number of a process, a worker or a step are of one kind.
  const kinds = Map.groupBy(findings, ({ problems }) => problems.join("\n").replaceAll(/\d+/g, "#"))
  const shown = [...kinds.values()].slice(0, most).map((same) => renderFinding(same[0]!, same.length - 1, self))
  const more = kinds.size > most ? [`... and ${counted(kinds.size - most, "other kind")}`] : []
  const seeded = seed === undefined ? "" : `, seed ${seed}`
  const failing = Exit.isFailure(exit) ? `, of a program that ends as ${textOf(exit)} without a cancel` : ""
  const counts = [counted(steps, "step"), counted(cuts, "cut"), counted(findings.length, "finding")].join(", ")
  return [`${counts}${seeded}${failing}${untriedText(untried)}`, ...shown, ...more].join("\n\n")
}

const untriedText = (untried: number): string =>
  untried === 0
    ? ""
    : `; ${counted(untried, "cut")} not tried in time: raise stopAfter, and the time limit of the test, to try all`

const renderFinding = (
  { cut, place, problems, trace }: Finding,
  more: number,
  { seed, steps }: Exploration
): string => {
  const again = JSON.stringify({ ...(seed === undefined ? {} : { seed }), only: [cut] })
  const second = cut.second === undefined ? "" : ` and again ${cut.second} steps later`
  const hit = `hit at step ${cut.step} of ${steps}${second}${more === 0 ? "" : ` (and ${more} more with the same problems)`}, ${place}`
  return [
    cut.step === 0 ? `without a cancel${more === 0 ? "" : `, and with ${more} of the cancels`}` : hit,
    ...problems.map((problem) => `  - ${problem}`),
    `  trace: ${trace}`,
    `  again: ${again}`
  ].join("\n")
}

// ---- Steps ----

const once = (
  program: AnyProgram,
  options: AnyOptions,
  injections: ReadonlyArray<Injection>,
  time: TimeBudget.TimeBudget
): Effect.Effect<Result, TestingError.TestingError> =>
  Effect.flatMap(Effect.fromResult(limitOf(options.within)), (within) =>
    Effect.promise(() =>
      new ExploredRun({
        // The environment provides the services.
        program: program as Effect.Effect<unknown, unknown, Scope.Scope>,
        environment: options.environment,
        live: options.live === true ? { within, patience: time.patience } : undefined,
        seed: options.seed,
        budget: options.budget ?? 100_000,
        injections
      }).run()
    )
  )

/** The program without a cancel, twice, because the test runner may still be starting beside the first run. */
const baseline = (
  program: AnyProgram,
  options: AnyOptions,
  time: TimeBudget.TimeBudget
): Effect.Effect<readonly [Result, Result], TestingError.TestingError> =>
  Effect.gen(function* () {
    const first = yield* once(program, options, [], time)
    const { steps, waits } = first
    if (first.end !== "Done" && first.exit !== undefined) {
      return yield* failed({ _tag: "NotRepeatable", problem: `it ${howOf(first)}`, waits })
    }
    if (first.end === "Endless") return yield* failed({ _tag: "NeverEnds", steps: options.budget ?? 100_000, waits })
    if (first.end === "Deadlock" && time.isUp) return yield* failed({ _tag: "TooSlow", millis: time.millis, waits })
    if (first.end === "Deadlock") return yield* failed({ _tag: "Deadlock", waits })
    if (first.broken !== undefined) return yield* failed({ _tag: "BadEnvironment", problem: first.broken })
    if (first.again !== undefined && first.again._tag !== first.exit!._tag) {
      return yield* failed({ _tag: "NotRepeatable", problem: `it ended as ${textOf(first.again)}`, waits: [] })
    }
    const { steps: trivial } = yield* once(Effect.void, options, [], time)
    if (steps <= trivial) return yield* failed({ _tag: "Empty" })
    const second = yield* once(program, options, [], time)
    if (options.live !== true && (second.end !== "Done" || second.steps !== steps)) {
      return yield* failed({ _tag: "NotDeterministic", first: steps, second: second.steps })
    }
    return [first, second]
  })

const failed = (reason: TestingError.TestingErrorReason): Effect.Effect<never, TestingError.TestingError> =>
  Effect.fail(TestingError.make(reason))

const plan = (steps: number, options: AnyOptions): ReadonlyArray<CancelPoint> => {
  const seed = options.seed ?? steps
  const next = random(seed)
  const cuts = sampleSteps(steps, options.cuts ?? 1000, seed).map((step) =>
    options.hit === "interruptTwice" ? { step, second: 1 + Math.floor(next() * 12) } : { step }
  )
  return options.live === true ? shuffled(cuts, seed) : cuts
}

const injectionsOf = ({ second, step }: CancelPoint, { hit }: AnyOptions): ReadonlyArray<Injection> => {
  const raise = typeof hit === "object" ? hit.raise : undefined
  const first = { step, raise }
  return second === undefined ? [first] : [first, { step: step + second, raise }]
}

const howOf = ({ end }: Result): string => (end === "Deadlock" ? "never ended" : "went on and on")

const problemsOf = (result: Result, whole: Result, again: Result["exit"]): ReadonlyArray<string> => {
  if (result.end !== "Done") {
    if (result.exit === undefined) return [`after the hit it ${howOf(result)}`, ...result.waits]
    const entries = result.journal.entries.slice(0, result.entries)
    return [`run once more in its environment, it ${howOf(result)}`, ...result.waits, ...Journal.problems({ entries })]
  }
  const died = result.exit !== undefined && Exit.hasDies(result.exit) && !Exit.hasDies(whole.exit!)
  return [
    ...Journal.problems(result.journal),
    ...result.left,
    ...(died ? [`it died: ${textOf(result.exit)}`] : []),
    ...(result.broken === undefined ? [] : [`its environment could not be taken down: ${result.broken}`]),
    ...(again?._tag === whole.exit?._tag ? [] : [`run once more, it ended as ${textOf(again)}`])
  ]
}
