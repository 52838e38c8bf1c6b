import * as Schema from "effect/Schema"
import { Rpc, RpcGroup } from "effect/rpc"

export class Tasks extends RpcGroup.make(
  Rpc.make("CountWords", { payload: { text: Schema.String }, success: Schema.Number })
) {}
