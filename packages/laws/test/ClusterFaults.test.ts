/**
 * The laws on an embedded cluster. The checks find planted faults of the client and of the bodies at the runner, and
 * shrink the program.
 */
import type { Name } from "@quiesce/testing/laws/Law"
import * as Program from "@quiesce/testing/laws/Program"
import * as Search from "@quiesce/testing/laws/Search"
import { core, type Subject } from "@quiesce/testing/laws/Subject"
import { describe, expect, it } from "vitest"
import { faults as ofSubject } from "../../testing/test/fixtures/faults.ts"
import * as ClusterAdapter from "../src/ClusterAdapter.ts"

const faults: ReadonlyArray<readonly [Name, string, Partial<Subject>]> = [
  ["interrupt-awaits", "returns from an interrupt too early", { interrupt: core.interruptFork }],
  ["report-true", "has an untrue report", ofSubject["report-true"]]
]

describe("the check of", () => {
  it.each(faults)("%s finds a cluster whose thread %s", async (law, _, fault) => {
    const budget = { programs: 60, whole: 0, cuts: 3, seed: 3 }
    const { counterexample } = await Search.run(law, ClusterAdapter.make(fault), budget)

    expect(counterexample).toBeDefined()
    expect(Program.size(counterexample!.scenario.program)).toBeLessThanOrEqual(8)
  })
})
