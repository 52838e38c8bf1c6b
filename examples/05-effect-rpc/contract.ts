/** What the app's workers can do. */
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

export class Reports extends RpcGroup.make(
  /** Writes a report row by row, and gives the number of each. */
  Rpc.make("Write", {
    payload: { file: Schema.String, rows: Schema.Number },
    success: Schema.Number,
    stream: true
  }),
  /** Computes for ever, without a break, while it holds a lock file. */
  Rpc.make("Render", { payload: { lock: Schema.String } }),
  Rpc.make("Sum", { payload: { numbers: Schema.Array(Schema.Number) }, success: Schema.Number }),
  /** Takes its worker down. */
  Rpc.make("Crash", {})
) {}
