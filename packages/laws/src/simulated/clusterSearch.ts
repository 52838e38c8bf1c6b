/** Searches for a scenario that breaks a law of a cluster. A seed repeats the search. */
import * as ScenarioSearch from "../scenarioSearch.ts"
import { type ClusterTrace, checks, takeoverMillis } from "./checks.ts"
import { type ClusterLaw, clusterLaws } from "./laws.ts"
import { absence, type ClusterScenario, scenarioOf } from "./scenario.ts"
import { SimulatedCluster } from "./simulatedCluster.ts"
import type { Fault } from "./simulatedRunner.ts"

export interface ClusterFinding extends ScenarioSearch.Found<ClusterLaw, ClusterScenario> {
  readonly adapter: "cluster"
}

/** Runs a scenario, and then lets time pass for the longest takeover. */
export const run = async ({ seed, steps }: ClusterScenario, fault: Fault = {}): Promise<ClusterTrace> => {
  const cluster = new SimulatedCluster(seed, fault)
  try {
    await cluster.open()
    cluster.perform(steps, takeoverMillis + absence(steps) + 2000)
    return { steps, events: cluster.events, until: cluster.now() }
  } finally {
    cluster.close()
  }
}

/** Searches the scenarios of one law. Each run is checked by the other laws, too, unless a fault is planted. */
export const search = async (
  law: ClusterLaw,
  budget: ScenarioSearch.Budget,
  fault: Fault = {}
): Promise<ClusterFinding> => {
  const isPlanted = Object.keys(fault).length > 0
  const others = isPlanted ? [] : clusterLaws.filter((other) => other !== law)
  const found = await ScenarioSearch.search(
    {
      laws: [law, ...others],
      scenarios: scenarioOf(law),
      run: (scenario) => run(scenario, fault),
      checks,
      shrinks: true
    },
    budget
  )
  return { ...found, adapter: "cluster" }
}

export const render = (finding: ClusterFinding): string => ScenarioSearch.render("a simulated cluster", finding)
