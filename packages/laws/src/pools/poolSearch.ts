/** Searches for a scenario that breaks a law of pools, and shrinks it. A seed repeats the scenarios, but not the threads' timing. */
import * as fc from "fast-check"
import { checks } from "./checks.ts"
import { type PoolLaw, poolLaws } from "./laws.ts"
import { type PoolFault, run } from "./pools.ts"
import { type Kind, type PoolScenario, scenarioOf } from "./scenario.ts"

export interface Budget {
  readonly programs?: number | undefined
  readonly seed?: number | undefined
}

/** The pools of each adapter. */
export const kindsOf = { plain: ["plain", "light"], workers: ["contract"] } as const satisfies Readonly<
  Record<string, ReadonlyArray<Kind>>
>

export type PoolAdapter = keyof typeof kindsOf

export interface PoolFinding {
  readonly law: PoolLaw
  readonly adapter: PoolAdapter
  readonly programs: number
  readonly cuts: 0
  readonly seed: number
  readonly counterexample:
    | {
        readonly law: PoolLaw
        readonly scenario: PoolScenario
        readonly path: string
        readonly problems: ReadonlyArray<string>
      }
    | undefined
}

class Broken extends Error {
  readonly law: PoolLaw
  readonly problems: ReadonlyArray<string>

  constructor(law: PoolLaw, problems: ReadonlyArray<string>) {
    super(`${law}: ${problems.join("; ")}`)
    this.law = law
    this.problems = problems
  }
}

const defaultSeed = 20_261

/** A fault, and the kinds of pools that it is in. */
export interface Planted {
  readonly fault: PoolFault
  readonly kinds: ReadonlyArray<Kind>
}

/** Searches the scenarios of one law. Each run is checked by the other laws, too, unless a fault is planted. */
export const search = async (
  law: PoolLaw,
  adapter: PoolAdapter,
  { programs = 200, seed = defaultSeed }: Budget,
  planted?: Planted
): Promise<PoolFinding> => {
  let count = 0
  const laws = planted === undefined ? [law, ...poolLaws.filter((other) => other !== law)] : [law]
  const scenarios = scenarioOf(law, planted?.kinds ?? kindsOf[adapter])
  const property = fc.asyncProperty(scenarios, async (scenario) => {
    count++
    const trace = await run(scenario, planted?.fault)
    for (const name of laws) {
      const problems = checks[name](trace)
      if (problems.length > 0) throw new Broken(name, problems)
    }
  })
  // A planted fault need not be small.
  const details = await fc.check(property, { numRuns: programs, seed, endOnFailure: planted !== undefined })
  const { counterexample, counterexamplePath, errorInstance, failed } = details
  const done = { law, adapter, programs: count, cuts: 0, seed } as const
  if (!failed) return { ...done, counterexample: undefined }
  if (counterexample === null) throw errorInstance
  const broken = errorInstance instanceof Broken ? errorInstance : undefined
  const problems = broken?.problems ?? [
    errorInstance instanceof Error ? String(errorInstance.stack) : String(errorInstance)
  ]
  const [scenario] = counterexample
  return { ...done, counterexample: { law: broken?.law ?? law, scenario, path: counterexamplePath ?? "", problems } }
}

/** A finding as a line of text, and a counterexample with the way to repeat it. */
export const render = ({ adapter, counterexample, law, programs, seed }: PoolFinding): string => {
  const count = counterexample === undefined ? 0 : 1
  const line = `${law} on pools (${adapter}): ${programs} scenarios, ${count} counterexamples (seed ${seed})`
  if (counterexample === undefined) return line
  const { law: broken, path, problems, scenario } = counterexample
  return `${line}\n  ${broken} is broken: path ${path}: ${problems.join("; ")}\n  ${JSON.stringify(scenario)}`
}
