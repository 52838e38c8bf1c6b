/** The tasks of the app's workers. */
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

export class Reports extends RpcGroup.make(
  /** Writes a report row by row and gives the number of each row. */
  Rpc.make("Write", {
    payload: { file: Schema.String, rows: Schema.Number },
    success: Schema.Number,
    stream: true
  }),
  /** Holds a lock file and loops for ever. */
  Rpc.make("Render", { payload: { lock: Schema.String } }),
  Rpc.make("Sum", { payload: { numbers: Schema.Array(Schema.Number) }, success: Schema.Number }),
  /** Ends its worker. */
  Rpc.make("Crash", {})
) {}
