/** The laws that only workers can break, or whose checks allow more on workers: each check finds the fault that is planted for it, and shrinks the program. */
import type { Name } from "@quiesce/testing/laws/Law"
import * as Program from "@quiesce/testing/laws/Program"
import * as Search from "@quiesce/testing/laws/Search"
import { describe, expect, it } from "vitest"
import * as WorkerAdapter from "../src/WorkerAdapter.ts"
import type { Fault } from "../src/workers/TestWorker.ts"

const faults: ReadonlyArray<readonly [Name, Fault]> = [
  ["kill-is-visible", "drops host leases"],
  ["unwind-precise", "ends masked sections"],
  ["no-signal-leak", "leaks cancels"],
  ["crash-contained", "spreads crashes"],
  ["mask-pends", "ignores cancels"],
  ["late-fork", "starts what is forked too late"],
  ["deadline-min", "ignores deadlines"]
]

describe("the check of", () => {
  it.each(faults)("%s finds an adapter that %s", async (law, fault) => {
    const adapter = WorkerAdapter.make(2, { kills: true, thorough: false, fault })

    const { counterexample } = await Search.run(law, adapter, { programs: 200, whole: 0, cuts: 3, seed: 3 })
    await adapter.close()

    expect(counterexample).toBeDefined()
    expect(Program.size(counterexample!.scenario.program)).toBeLessThanOrEqual(8)
  })
})
