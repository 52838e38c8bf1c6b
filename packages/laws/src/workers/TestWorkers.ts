/** The test workers with the same options, each made on demand, and the runs that wait for a test worker. */
import type { Outcome } from "@quiesce/testing/laws/Outcome"
import type { Scenario } from "@quiesce/testing/laws/Scenario"
import { type Options, TestWorker } from "./TestWorker.ts"

export class TestWorkers {
  private readonly options: Options
  private readonly free: Array<TestWorker> = []
  private readonly all: Array<TestWorker> = []
  private readonly waiting: Array<(testWorker: TestWorker) => void> = []
  private readonly most: number

  constructor(options: Options, most: number) {
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
