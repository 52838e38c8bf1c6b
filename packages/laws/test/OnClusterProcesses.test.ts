/** The laws at two runner processes over one store, the comparison with the model, and a planted fault. */
import * as Laws from "@quiesce/testing/laws/Laws"
import * as Program from "@quiesce/testing/laws/Program"
import * as Search from "@quiesce/testing/laws/Search"
import { afterAll, expect, it } from "vitest"
import * as ClusterProcessAdapter from "../src/ClusterProcessAdapter.ts"
import { budgetOf, hasScenarios, select } from "../src/Trial.ts"

const adapter = ClusterProcessAdapter.make()
afterAll(() => adapter.close())

for (const { law } of select({ adapter: "cluster-processes" })) {
  if (hasScenarios(law)) continue
  Laws.suite(adapter, { ...budgetOf("cluster-processes", law, false), only: [law] })
}

it("the programs run at both processes", () => {
  for (const runs of adapter.runs()) expect(runs).toBeGreaterThan(0)
})

it("mask-pends: the check finds a runner process whose bodies mask nothing", async () => {
  const planted = adapter.planted({ fault: "masks nothing" })

  const { counterexample } = await Search.run("mask-pends", planted, { programs: 60, whole: 0, cuts: 3, seed: 3 })

  expect(counterexample).toBeDefined()
  expect(Program.size(counterexample!.scenario.program)).toBeLessThanOrEqual(8)
})
