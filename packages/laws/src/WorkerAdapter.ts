/** The adapter that runs the laws' programs on real workers. */
import type { Adapter } from "@quiesce/testing/laws/Adapter"
import type { Outcome } from "@quiesce/testing/laws/Outcome"
import type { Scenario } from "@quiesce/testing/laws/Scenario"
import { crashes, type Fault, type Options as TestWorkerOptions, TestWorker } from "./workers/TestWorker.ts"

/** An adapter with its own workers, which `close` ends. */
export interface WorkerAdapter extends Adapter {
  readonly close: () => Promise<void>
}

/**
 * The cost of runs, and the planted fault. Each kill costs a worker: without `kills` no ladder has that rung, and a thread that
 * outlasts its last rung is abandoned instead. An unwind of a waiting thread costs half a second: without `thorough` only
 * synchronous code is unwound.
 */
export interface Options {
  readonly kills: boolean
  readonly thorough: boolean
  readonly fault?: Fault | undefined
}

/** Makes an adapter that runs scenarios on a number of concurrent test workers. */
export const make = (testWorkers: number, options: Options = { kills: true, thorough: false }): WorkerAdapter => {
  const { fault, kills, thorough } = options
  const ordinary = new TestWorkers({ size: 1, thorough, fault }, testWorkers)
  const crashable = new TestWorkers({ size: 2, thorough, fault }, testWorkers)
  return {
    name: "worker threads",
    lacks: {},
    parallel: testWorkers,
    run: (scenario, cut) =>
      (crashes(scenario.program) ? crashable : ordinary).run(kills ? scenario : withoutKills(scenario), cut),
    close: async () => {
      await Promise.all([ordinary.close(), crashable.close()])
    }
  }
}

const withoutKills = ({ plan, program, seed, bystanders }: Scenario): Scenario => ({
  program,
  plan: plan.map((planned) => {
    if (planned.action._tag !== "Shutdown" || planned.action.climb.interrupt === null) return planned
    const { interrupt, stop, unwind } = planned.action.climb
    return { ...planned, action: { _tag: "Shutdown", climb: { stop, interrupt, unwind, kill: null } } }
  }),
  seed,
  bystanders
})

/** The test workers, each made on demand, and the runs that wait for a test worker. */
class TestWorkers {
  private readonly options: TestWorkerOptions
  private readonly free: Array<TestWorker> = []
  private readonly all: Array<TestWorker> = []
  private readonly waiting: Array<(testWorker: TestWorker) => void> = []
  private readonly most: number

  constructor(options: TestWorkerOptions, most: number) {
    this.options = options
    this.most = most
  }

  async run(scenario: Scenario, cut: number | null): Promise<Outcome> {
    const testWorker = await this.take()
    try {
      return await testWorker.run(scenario, cut)
    } finally {
      const next = this.waiting.shift()
      if (next === undefined) this.free.push(testWorker)
      else next(testWorker)
    }
  }

  private take(): Promise<TestWorker> | TestWorker {
    const free = this.free.pop()
    if (free !== undefined) return free
    if (this.all.length < this.most) {
      const made = new TestWorker(this.options)
      this.all.push(made)
      return made
    }
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((testWorker) => testWorker.close()))
  }
}
