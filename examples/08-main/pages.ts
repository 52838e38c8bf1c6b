/** The contract of the workers. A page takes a while to render; a page without an end takes for ever. */
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

export class Pages extends RpcGroup.make(
  Rpc.make("Render", { payload: { page: Schema.Number, hasEnd: Schema.Boolean }, success: Schema.String })
) {}
