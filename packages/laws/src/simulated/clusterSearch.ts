/** Searches for a scenario that breaks a law of a cluster, and shrinks it. A seed repeats the search. */
import * as fc from "fast-check"
import { type ClusterTrace, checks, takeoverMillis } from "./checks.ts"
import { type ClusterLaw, clusterLaws } from "./laws.ts"
import { absence, type ClusterScenario, scenarioOf } from "./scenario.ts"
import { SimulatedCluster } from "./simulatedCluster.ts"
import type { Fault } from "./simulatedRunner.ts"

export interface Budget {
  readonly programs?: number | undefined
  readonly seed?: number | undefined
}

export interface ClusterFinding {
  readonly law: ClusterLaw
  readonly adapter: "cluster"
  readonly programs: number
  readonly cuts: 0
  readonly seed: number
  readonly counterexample:
    | {
        readonly law: ClusterLaw
        readonly scenario: ClusterScenario
        readonly path: string
        readonly problems: ReadonlyArray<string>
      }
    | undefined
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

class Broken extends Error {
  readonly law: ClusterLaw
  readonly problems: ReadonlyArray<string>

  constructor(law: ClusterLaw, problems: ReadonlyArray<string>) {
    super(`${law}: ${problems.join("; ")}`)
    this.law = law
    this.problems = problems
  }
}

const defaultSeed = 20_261

/** Searches the scenarios of one law. Each run is checked by the other laws, too, unless a fault is planted. */
export const search = async (
  law: ClusterLaw,
  { programs = 200, seed = defaultSeed }: Budget,
  fault: Fault = {}
): Promise<ClusterFinding> => {
  let count = 0
  const isPlanted = Object.keys(fault).length > 0
  const laws = [law, ...(isPlanted ? [] : clusterLaws.filter((other) => other !== law))]
  const property = fc.asyncProperty(scenarioOf(law), async (scenario) => {
    count++
    const trace = await run(scenario, fault)
    for (const name of laws) {
      const problems = checks[name](trace)
      if (problems.length > 0) throw new Broken(name, problems)
    }
  })
  const details = await fc.check(property, { numRuns: programs, seed })
  const { counterexample, counterexamplePath, errorInstance } = details
  if (!details.failed) return { law, adapter: "cluster", programs: count, cuts: 0, seed, counterexample: undefined }
  if (counterexample === null) throw errorInstance
  const broken = errorInstance instanceof Broken ? errorInstance : undefined
  return {
    law,
    adapter: "cluster",
    programs: count,
    cuts: 0,
    seed,
    counterexample: {
      law: broken?.law ?? law,
      scenario: counterexample[0],
      path: counterexamplePath ?? "",
      problems: broken?.problems ?? [
        errorInstance instanceof Error ? String(errorInstance.stack) : String(errorInstance)
      ]
    }
  }
}

/** A finding as a line of text, and a counterexample with the way to repeat it. */
export const render = ({ counterexample, law, programs, seed }: ClusterFinding): string => {
  const line = `${law} on a simulated cluster: ${programs} scenarios, ${counterexample === undefined ? 0 : 1} counterexamples (seed ${seed})`
  if (counterexample === undefined) return line
  const { law: broken, path, problems, scenario } = counterexample
  return `${line}\n  ${broken} is broken: path ${path}: ${problems.join("; ")}\n  ${JSON.stringify(scenario)}`
}
