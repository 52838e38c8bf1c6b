/** The applicable laws on an embedded cluster, and the comparison with the model. */
import * as Laws from "@quiesce/testing/laws/Laws"
import * as ClusterAdapter from "../src/ClusterAdapter.ts"
import { budgetOf, hasScenarios, select } from "../src/Trial.ts"

const adapter = ClusterAdapter.make()
for (const { law } of select({ adapter: "cluster" })) {
  if (!hasScenarios(law)) Laws.suite(adapter, { ...budgetOf("cluster", law, false), only: [law] })
}
