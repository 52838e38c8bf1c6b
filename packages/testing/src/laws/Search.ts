/**
 * Searches for a program that breaks a law: generates scenarios, runs each without a cut and with cuts, and shrinks a
 * counterexample.
 *
 * @since 0.1.0
 */
import * as fc from "fast-check"
import { type Adapter, applying } from "./Adapter.ts"
import * as Arbitrary from "./Arbitrary.ts"
import { type Check, checks } from "./checks/checks.ts"
import type { Name } from "./Law.ts"
import { cases, type LawCase, modelled } from "./LawCase.ts"
import * as Model from "./Model.ts"
import type { Outcome } from "./Outcome.ts"
import type * as Scenario from "./Scenario.ts"
import { sampleSteps } from "../internal/time/random.ts"
import * as Leaks from "../Leaks.ts"
import { visibilityProblem } from "../internal/effectInternals.ts"
import * as TestingError from "../TestingError.ts"

/**
 * The extent of a search: `whole` small programs with a cut at every step (default 50), then `programs` (default 200) with
 * `cuts` cuts at most (default 20). The `seed` repeats a search.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Budget {
  readonly programs?: number | undefined
  readonly whole?: number | undefined
  readonly cuts?: number | undefined
  readonly seed?: number | undefined
}

/**
 * A scenario that breaks `law`, its cut, the violations, and the path that repeats the find together with the seed.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Counterexample {
  readonly law: Name | "model"
  readonly scenario: Scenario.Scenario
  readonly cut: number | null
  readonly problems: ReadonlyArray<string>
  readonly path: string
}

/**
 * The result of a search among the programs of `law`. `programs` counts all programs, `whole` the programs with a cut at
 * every step, `undecided` the runs that the model could not decide, and `laws` the laws that each run was checked by.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Finding {
  readonly law: Name | "model"
  readonly laws: number
  readonly adapter: string
  readonly programs: number
  readonly whole: number
  readonly cuts: number
  readonly seed: number
  readonly undecided?: number | undefined
  readonly counterexample: Counterexample | undefined
}

/** The fixed seed of the programs, so that a run can be repeated. */
const defaultSeed = 20_261

class Broken extends Error {
  readonly law: Name | "model"
  readonly cut: number | null
  readonly problems: ReadonlyArray<string>

  constructor(law: Name | "model", { cut }: Outcome, problems: ReadonlyArray<string>) {
    super(`${law}, cut at ${cut}: ${problems.join("; ")}`)
    this.law = law
    this.cut = cut
    this.problems = problems
  }
}

/** A law, or the model, with its check. */
type Named = readonly [law: Name | "model", check: Check]

/**
 * Searches the programs of a law until a run breaks the law or the budget ends.
 *
 * @stability unstable
 * @category runners
 * @since 0.1.0
 */
export const run = (law: Name, adapter: Adapter, budget: Budget = {}): Promise<Finding> =>
  search(law, cases[law], [[law, checks[law]]], adapter, budget)

/**
 * Searches the programs of one law until a run breaks any law of the adapter or the budget ends. So each law is tried on
 * the programs of all laws, for little more than the time of one.
 *
 * @stability unstable
 * @category runners
 * @since 0.1.0
 */
export const runAll = (law: Name, adapter: Adapter, budget: Budget = {}): Promise<Finding> => {
  const others = law === blocking ? [] : applying(adapter).filter((other) => other !== law && !ofOwnPrograms.has(other))
  const named = [law, ...others].map((name): Named => [name, checks[name]])
  return search(law, cases[law], named, adapter, budget)
}

/** The law whose programs block their thread. Other laws, which know times, expect threads that react. */
const blocking: Name = "unwind-precise"

/**
 * The laws whose checks know only their own programs. For example, the timer of a delayed plan counts as left over, and a
 * lock of an abandoned thread as left locked.
 */
const ofOwnPrograms: ReadonlySet<Name> = new Set([
  "listener-clean",
  "no-signal-leak",
  "crash-contained",
  "did-not-happen",
  "kill-is-visible",
  "level-triggered",
  "reason-everywhere"
])

/**
 * Searches for a run that the model does not allow, among programs that the model knows.
 *
 * @stability unstable
 * @category runners
 * @since 0.1.0
 */
export const model = async (adapter: Adapter, budget: Budget = {}): Promise<Finding> => {
  let undecided = 0
  const check = (outcome: Outcome): ReadonlyArray<string> => {
    const compared = Model.compare(outcome, adapter.isDelayed)
    if (compared._tag === "Undecided") undecided++
    return compared._tag === "Unlike" ? [compared.problem] : []
  }
  const finding = await search("model", modelled, [["model", check]], adapter, budget)
  return { ...finding, undecided }
}

const search = async (
  law: Finding["law"],
  lawCase: LawCase,
  laws: ReadonlyArray<Named>,
  adapter: Adapter,
  budget: Budget
): Promise<Finding> => {
  const { programs = 200, seed = defaultSeed, whole = 50, cuts = 20 } = budget
  verifyEffect()
  verifyBudget({ cuts, programs, whole })
  // Adapters count listeners in each run. A new count for each run would cost half as much as the run.
  const listeners = Leaks.watchListeners()
  try {
    const found = await generate(adapter.programs?.(law, lawCase) ?? lawCase, laws, adapter, {
      cuts,
      programs,
      seed,
      whole
    })
    return { law, laws: laws.length, adapter: adapter.name, seed, ...found }
  } finally {
    listeners.end()
  }
}

/** Without visible fibers a program has no steps, so a law would hold for every program. */
const verifyEffect = (): void => {
  const problem = visibilityProblem()
  if (problem !== undefined) throw TestingError.make({ _tag: "UnknownEffect", problem })
}

const verifyBudget = (counts: { readonly cuts: number; readonly programs: number; readonly whole: number }): void => {
  for (const [option, value] of Object.entries(counts)) {
    if (Number.isInteger(value) && value >= 0) continue
    throw TestingError.make({ _tag: "InvalidOption", option, problem: `${value} is no number of ${option}` })
  }
  if (counts.programs + counts.whole > 0) return
  const problem = "with no program at all a law is not tried; give at least one, as programs or as whole"
  throw TestingError.make({ _tag: "InvalidOption", option: "programs", problem })
}

const generate = async (
  { mix, plan }: LawCase,
  laws: ReadonlyArray<Named>,
  adapter: Adapter,
  { cuts, programs, seed, whole }: { readonly [Option in keyof Budget]-?: number }
): Promise<Pick<Finding, "programs" | "whole" | "cuts" | "counterexample">> => {
  const counted = { programs: 0, cuts: 0 }
  const among = (of: Arbitrary.Mix, most: number, numRuns: number) =>
    fc.check(
      fc.asyncProperty(Arbitrary.scenario(of, plan), async (scenario) => {
        counted.programs++
        if (counted.programs % 100 === 0) await turn()
        counted.cuts += await explore(laws, adapter, scenario, most)
      }),
      { numRuns, seed }
    )
  const small = await among({ ...mix, depth: Math.min(2, mix.depth ?? 3), length: 2, chain: 3 }, Infinity, whole)
  const inSmall = counted.programs
  const details = small.failed ? small : await among(mix, cuts, programs)
  return { ...counted, whole: inSmall, counterexample: counterexampleOf(laws[0]![0], details) }
}

/** A turn of the event loop. Without a turn, the engine keeps the targets of weak references. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const counterexampleOf = (
  law: Name | "model",
  details: fc.RunDetails<[Scenario.Scenario]>
): Counterexample | undefined => {
  if (!details.failed) return undefined
  const { counterexample, counterexamplePath, errorInstance } = details
  // Without a counterexample the generator made no program at all.
  if (counterexample === null) throw errorInstance
  const broken = errorInstance instanceof Broken ? errorInstance : undefined
  return {
    law: broken?.law ?? law,
    scenario: counterexample[0],
    cut: broken?.cut ?? null,
    problems: broken?.problems ?? [
      errorInstance instanceof Error ? String(errorInstance.stack) : String(errorInstance)
    ],
    path: counterexamplePath ?? ""
  }
}

/** A program with more steps than this is cut once. A program with fewer steps may be cut as often as its steps allow. */
const longRun = 1_000_000

/** Runs a scenario without a cut and with cuts, and throws a violation. Returns the number of runs. */
const explore = async (
  laws: ReadonlyArray<Named>,
  adapter: Adapter,
  scenario: Scenario.Scenario,
  most: number
): Promise<number> => {
  const ran = adapter.run(scenario, null)
  const whole = ran instanceof Promise ? await ran : ran
  verify(laws, whole)
  const affordable = Math.max(1, Math.floor(longRun / whole.steps))
  const cuts = scenario.plan.length === 0 ? [] : sampleSteps(whole.steps, Math.min(most, affordable), whole.steps)
  const parallel = adapter.parallel ?? 1
  for (let done = 0; done < cuts.length; done += parallel) {
    const running = cuts.slice(done, done + parallel).map((cut) => adapter.run(scenario, cut))
    // A synchronous run is not awaited, because a wait costs as much as the run. All other runs end before any is judged.
    const outcomes = running.every(isOutcome) ? running : await Promise.all(running.map(async (outcome) => outcome))
    for (const outcome of outcomes) verify(laws, outcome)
  }
  return cuts.length + 1
}

const isOutcome = (ran: Outcome | Promise<Outcome>): ran is Outcome => !(ran instanceof Promise)

const verify = (laws: ReadonlyArray<Named>, outcome: Outcome): void => {
  for (const [law, check] of laws) {
    const problems = check(outcome)
    if (problems.length > 0) throw new Broken(law, outcome, problems)
  }
}

/**
 * A finding as a line of text. A counterexample adds the way to repeat it, the violations, and the program.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const render = (finding: Finding): string => {
  const { adapter, counterexample, cuts, law, laws, programs, seed, undecided, whole } = finding
  const open = undecided === undefined ? "" : `, ${undecided} of them undecided`
  const others = laws === 1 ? "" : ` and ${laws - 1} more laws`
  const line = `${law}${others} on ${adapter}: ${programs} programs, ${whole} of them cut at every step, ${cuts} cuts${open}, ${counterexample === undefined ? 0 : 1} counterexamples (seed ${seed})`
  if (counterexample === undefined) return line
  const { cut, path, problems, scenario } = counterexample
  return `${line}\n  ${counterexample.law} is broken: path ${path}, cut at ${cut}: ${problems.join("; ")}\n  ${JSON.stringify(scenario)}`
}
