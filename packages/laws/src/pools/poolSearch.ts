/** Searches for a scenario that breaks a law of pools. A seed repeats the scenarios, but not the threads' timing. */
import * as ScenarioSearch from "../scenarioSearch.ts"
import { checks } from "./checks.ts"
import { type PoolLaw, poolLaws } from "./laws.ts"
import { type PoolFault, run } from "./pools.ts"
import { type Kind, type PoolScenario, scenarioOf } from "./scenario.ts"

/** The pools of each adapter. */
export const kindsOf = { plain: ["plain", "light"], workers: ["contract"] } as const satisfies Readonly<
  Record<string, ReadonlyArray<Kind>>
>

export type PoolAdapter = keyof typeof kindsOf

export interface PoolFinding extends ScenarioSearch.Found<PoolLaw, PoolScenario> {
  readonly adapter: PoolAdapter
}

/** A fault, and the kinds of pools that it is in. */
export interface Planted {
  readonly fault: PoolFault
  readonly kinds: ReadonlyArray<Kind>
}

/** Searches the scenarios of one law. Each run is checked by the other laws, too, unless a fault is planted. */
export const search = async (
  law: PoolLaw,
  adapter: PoolAdapter,
  budget: ScenarioSearch.Budget,
  planted?: Planted
): Promise<PoolFinding> => {
  const others = planted === undefined ? poolLaws.filter((other) => other !== law) : []
  const found = await ScenarioSearch.search(
    {
      laws: [law, ...others],
      scenarios: scenarioOf(law, planted?.kinds ?? kindsOf[adapter]),
      run: (scenario) => run(scenario, planted?.fault),
      checks,
      // A planted fault need not be small.
      shrinks: planted === undefined
    },
    budget
  )
  return { ...found, adapter }
}

export const render = (finding: PoolFinding): string => ScenarioSearch.render(`pools (${finding.adapter})`, finding)
