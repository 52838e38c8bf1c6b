/** Each law's check can fail: it finds a planted fault, and shrinks the program to a few instructions. */
import * as Adapter from "@quiesce/testing/laws/Adapter"
import * as Program from "@quiesce/testing/laws/Program"
import * as Search from "@quiesce/testing/laws/Search"
import { expect, it } from "vitest"
import { faults, others } from "./fixtures/faults.ts"

// The keys of the record are names of laws.
it.each(Object.keys(faults) as ReadonlyArray<keyof typeof faults>)(
  "%s: its check finds the planted fault",
  async (law) => {
    const adapter = Adapter.fromSubject(`a fault of ${law}`, faults[law])

    const { counterexample } = await Search.run(law, adapter, { programs: 1000, whole: 0, cuts: 40, seed: 1 })

    expect(counterexample).toBeDefined()
    expect(Program.size(counterexample!.scenario.program)).toBeLessThanOrEqual(8)
  }
)

it.each(others)("$law: its check finds that $what", async ({ fault, law, what }) => {
  const adapter = Adapter.fromSubject(what, fault)

  const { counterexample } = await Search.run(law, adapter, { programs: 1000, whole: 0, cuts: 40, seed: 1 })

  expect(counterexample).toBeDefined()
  expect(Program.size(counterexample!.scenario.program)).toBeLessThanOrEqual(8)
})
