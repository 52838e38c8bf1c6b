/** The task of a runner process: a scenario as data. */
import * as Scenario from "@quiesce/testing/laws/Scenario"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"

/** `cut` is the step at which the plan begins, null for a run without its plan. `fault` is the name of a planted fault. */
const Given = Schema.Struct({
  run: Schema.Number,
  scenario: Scenario.Scenario,
  cut: Schema.NullOr(Schema.Number),
  fault: Schema.NullOr(Schema.Literals(["masks nothing"]))
})
export type Given = typeof Given.Type

/** Values and failures cross as texts. */
export class ProgramTasks extends RpcGroup.make(
  Rpc.make("Run", { payload: Given, success: Schema.String, error: Schema.String })
) {}

/** Few shards are soon there. All members of a cluster have the same number. */
export const shardsPerGroup = 16
