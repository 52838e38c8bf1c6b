/** The adapters that run the laws' programs on real workers. */
import type { Adapter } from "@quiesce/testing/laws/Adapter"
import type { Program } from "@quiesce/testing/laws/Program"
import type { Scenario } from "@quiesce/testing/laws/Scenario"
import { contractPool } from "./workers/contractPool.ts"
import type { Kind } from "./workers/TestPool.ts"
import { crashes, type Faults } from "./workers/TestWorker.ts"
import { TestWorkers } from "./workers/TestWorkers.ts"

/** An adapter with its own workers, which `close` ends. */
export interface WorkerAdapter extends Adapter {
  readonly close: () => Promise<void>
}

/**
 * The cost of runs, and the planted fault. Each kill costs a worker: without `kills` no ladder has that rung, and a thread that
 * outlasts its last rung is abandoned instead. An unwind of a waiting thread costs half a second: without `thorough` only
 * synchronous code is unwound.
 */
export interface Options extends Faults {
  readonly kills: boolean
  readonly thorough: boolean
}

/** Makes an adapter that runs scenarios on a number of concurrent test workers, which serve a contract. */
export const make = (testWorkers: number, options: Options = { kills: true, thorough: false }): WorkerAdapter =>
  ofKind({ name: "worker threads", lacks: {} }, contractPool, testWorkers, options)

/** Makes an adapter of test workers of a kind. */
export const ofKind = (
  adapter: Omit<Adapter, "run" | "parallel">,
  kind: Kind,
  most: number,
  { kills, ...options }: Options
): WorkerAdapter => {
  const all = new Map<string, TestWorkers>()
  const workersFor = (program: Program): TestWorkers => {
    const size = crashes(program) ? 2 : 1
    const extra = kind.extra(program)
    const key = `${size} ${extra}`
    const made = all.get(key) ?? new TestWorkers({ ...options, kind, extra, size }, most)
    all.set(key, made)
    return made
  }
  return {
    ...adapter,
    parallel: most,
    run: (scenario, cut) => workersFor(scenario.program).run(kills ? scenario : withoutKills(scenario), cut),
    close: async () => {
      await Promise.all([...all.values()].map((testWorkers) => testWorkers.close()))
    }
  }
}

const withoutKills = ({ plan, ...scenario }: Scenario): Scenario => ({
  ...scenario,
  plan: plan.map((planned) => {
    if (planned.action._tag !== "Shutdown" || planned.action.climb.interrupt === null) return planned
    const { interrupt, stop, unwind } = planned.action.climb
    return { ...planned, action: { _tag: "Shutdown", climb: { stop, interrupt, unwind, kill: null } } }
  })
})
