/** The tasks of the worker. */
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

export class Tasks extends RpcGroup.make(
  Rpc.make("Square", { payload: { of: Schema.Number }, success: Schema.Number }),
  /** Holds a lease and never ends by itself. */
  Rpc.make("Wait")
) {}
