/** The contract of the laws of pools. */
import * as Schema from "effect/Schema"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"

const Cells = Schema.declare((u): u is Int32Array<SharedArrayBuffer> => u instanceof Int32Array)

export class PoolTasks extends RpcGroup.make(
  Rpc.make("Work", {
    payload: {
      n: Schema.Number,
      how: Schema.Literals(["quick", "fail", "exit", "wait", "spin", "gate"]),
      leases: Schema.Number,
      cells: Cells
    },
    success: Schema.Number
  })
) {}
