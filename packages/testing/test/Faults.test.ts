/** The check of each law finds a planted fault, and shrinks the program to a few instructions. */
import * as Adapter from "@quiesce/testing/laws/Adapter"
import * as Program from "@quiesce/testing/laws/Program"
import * as Search from "@quiesce/testing/laws/Search"
import { expect, it } from "vitest"
import { faults, others } from "./fixtures/faults.ts"
import { releaseFaults } from "./fixtures/releaseFaults.ts"

// The keys of the record are names of laws.
it.each(Object.keys(faults) as ReadonlyArray<keyof typeof faults>)(
  "%s: the check finds the planted fault",
  async (law) => {
    const adapter = Adapter.fromSubject(`a fault of ${law}`, faults[law])

    const { counterexample } = await Search.run(law, adapter, { programs: 1000, whole: 0, cuts: 40, seed: 1 })

    expect(counterexample).toBeDefined()
    expect(Program.size(counterexample!.scenario.program)).toBeLessThanOrEqual(8)
  }
)

it.each([...others, ...releaseFaults])("$law: the check finds that $what", async ({ fault, law, seed = 1, what }) => {
  const adapter = Adapter.fromSubject(what, fault)

  const { counterexample } = await Search.run(law, adapter, { programs: 1000, whole: 0, cuts: 40, seed })

  expect(counterexample).toBeDefined()
  expect(Program.size(counterexample!.scenario.program)).toBeLessThanOrEqual(8)
})

it("a search for one law also finds a fault that breaks another law, and names the other law", async () => {
  const adapter = Adapter.fromSubject("a fault of release-once", faults["release-once"])

  const finding = await Search.runAll("exit-unique", adapter, { programs: 1000, whole: 0, cuts: 10, seed: 1 })

  expect(finding.law).toBe("exit-unique")
  expect(finding.counterexample?.law).toBe("release-once")
  expect(Search.render(finding)).toMatch(/^exit-unique and \d+ more laws .*\n {2}release-once is broken: /)
})
