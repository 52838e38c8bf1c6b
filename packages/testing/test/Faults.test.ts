/** Each law's check can fail: it finds a planted fault, and shrinks the program to a few instructions. */
import type * as Laws from "@quiesce/testing/Laws"
import * as Program from "@quiesce/testing/Program"
import { core } from "@quiesce/testing/Subject"
import { expect, it } from "vitest"
import { faults } from "./fixtures/faults.ts"
import { cases, tryLaw, tryLawAsync } from "./fixtures/lawCase.ts"

// The keys of a record of all laws are their names.
it.each(Object.keys(cases) as ReadonlyArray<Laws.Name>)("%s: its check finds the planted fault", async (law) => {
  const options = { programs: 1000, most: 40, seed: 1, subject: { ...core, ...faults[law] } }
  const { details } = law === "settle-before-release" ? await tryLawAsync(law, options) : tryLaw(law, options)

  expect(details.failed).toBe(true)
  expect(Program.size(details.counterexample![0].program)).toBeLessThanOrEqual(8)
})
