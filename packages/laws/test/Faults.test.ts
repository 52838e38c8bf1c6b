/** The laws that only workers can break, or whose checks allow more on workers: each check finds the fault that is planted for it, and shrinks the program. */
import type { Name } from "@quiesce/testing/laws/Law"
import * as Program from "@quiesce/testing/laws/Program"
import * as Search from "@quiesce/testing/laws/Search"
import { describe, expect, it } from "vitest"
import * as WorkerAdapter from "../src/WorkerAdapter.ts"
import type { Fault } from "../src/workers/TestWorker.ts"

/** Each fault with the seed of its search. Other seeds find the faults, too, some after more programs. */
const faults: ReadonlyArray<readonly [Name, Fault, seed: number]> = [
  ["kill-is-visible", "drops host leases", 3],
  ["unwind-precise", "ends masked sections", 2],
  ["no-signal-leak", "leaks cancels", 3],
  ["crash-contained", "spreads crashes", 5],
  ["mask-pends", "ignores cancels", 3],
  ["late-fork", "starts what is forked too late", 3],
  ["deadline-min", "ignores deadlines", 3]
]

describe("the check of", () => {
  it.each(faults)("%s finds an adapter that %s", async (law, fault, seed) => {
    const adapter = WorkerAdapter.make(2, { kills: true, thorough: false, fault })

    const { counterexample } = await Search.run(law, adapter, { programs: 200, whole: 0, cuts: 3, seed })
    await adapter.close()

    expect(counterexample).toBeDefined()
    expect(Program.size(counterexample!.scenario.program)).toBeLessThanOrEqual(8)
  })
})
