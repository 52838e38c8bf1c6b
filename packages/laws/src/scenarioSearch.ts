/** Searches for a scenario that breaks a law of clusters or of pools, and shrinks it. */
import * as fc from "fast-check"

export interface Budget {
  readonly programs?: number | undefined
  readonly seed?: number | undefined
}

/** A scenario that breaks `law`, the violations, and the path that repeats the find together with the seed. */
export interface Counterexample<Law, Scenario> {
  readonly law: Law
  readonly scenario: Scenario
  readonly path: string
  readonly problems: ReadonlyArray<string>
}

/** The result of a search. `programs` counts the scenarios. */
export interface Found<Law, Scenario> {
  readonly law: Law
  readonly programs: number
  readonly cuts: 0
  readonly seed: number
  readonly counterexample: Counterexample<Law, Scenario> | undefined
}

/** A search for a scenario that breaks one of `laws`. The first of them is the law of the scenarios. */
export interface Search<Law extends string, Scenario, Trace> {
  readonly laws: readonly [Law, ...ReadonlyArray<Law>]
  readonly scenarios: fc.Arbitrary<Scenario>
  readonly run: (scenario: Scenario) => Promise<Trace>
  readonly checks: Readonly<Record<Law, (trace: Trace) => ReadonlyArray<string>>>
  /** Whether a counterexample is made smaller. */
  readonly shrinks: boolean
}

/** A law with its violations. */
class Broken extends Error {
  readonly law: string
  readonly problems: ReadonlyArray<string>

  constructor(law: string, problems: ReadonlyArray<string>) {
    super(`${law}: ${problems.join("; ")}`)
    this.law = law
    this.problems = problems
  }
}

const defaultSeed = 20_261

export const search = async <Law extends string, Scenario, Trace>(
  { checks, laws, run, scenarios, shrinks }: Search<Law, Scenario, Trace>,
  { programs = 200, seed = defaultSeed }: Budget
): Promise<Found<Law, Scenario>> => {
  let count = 0
  const property = fc.asyncProperty(scenarios, async (scenario) => {
    count++
    const trace = await run(scenario)
    for (const name of laws) {
      const problems = checks[name](trace)
      if (problems.length > 0) throw new Broken(name, problems)
    }
  })
  const details = await fc.check(property, { numRuns: programs, seed, endOnFailure: !shrinks })
  const { counterexample, counterexamplePath, errorInstance, failed } = details
  const found = { law: laws[0], programs: count, cuts: 0, seed } as const
  if (!failed) return { ...found, counterexample: undefined }
  if (counterexample === null) throw errorInstance
  const [scenario] = counterexample
  const path = counterexamplePath ?? ""
  if (errorInstance instanceof Broken) {
    // The names are those of `laws`.
    const law = errorInstance.law as Law
    return { ...found, counterexample: { law, scenario, path, problems: errorInstance.problems } }
  }
  const problem = errorInstance instanceof Error ? String(errorInstance.stack) : String(errorInstance)
  return { ...found, counterexample: { law: laws[0], scenario, path, problems: [problem] } }
}

/** A finding as a line of text, and a counterexample with the way to repeat it. `place` says where the scenarios ran. */
export const render = (place: string, { counterexample, law, programs, seed }: Found<string, unknown>): string => {
  const count = counterexample === undefined ? 0 : 1
  const line = `${law} on ${place}: ${programs} scenarios, ${count} counterexamples (seed ${seed})`
  if (counterexample === undefined) return line
  const { law: broken, path, problems, scenario } = counterexample
  return `${line}\n  ${broken} is broken: path ${path}: ${problems.join("; ")}\n  ${JSON.stringify(scenario)}`
}
