/** The tasks of the benchmarks. */
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

const Cells = Schema.declare((u): u is Int32Array<SharedArrayBuffer> => u instanceof Int32Array)

/** The handlers of every worker. */
export class Adding extends RpcGroup.make(
  Rpc.make("Add", { payload: { a: Schema.Number, b: Schema.Number }, success: Schema.Number })
) {}

export class Tasks extends Adding.add(
  /** A busy loop in a section; sets `cells[0]` at its begin. */
  Rpc.make("Hog", { payload: { cells: Cells } }),
  /** A loop that polls its token; sets `cells[0]` at its begin. */
  Rpc.make("Poll", { payload: { cells: Cells } }),
  /** Waits for ever, holding a lease; adds 1 to `cells[0]` at the begin of the wait. */
  Rpc.make("Wait", { payload: { cells: Cells } }),
  /** Hashes so often, with a check of its token each time or without; the nanoseconds for each. */
  Rpc.make("Hash", { payload: { turns: Schema.Number, checked: Schema.Boolean }, success: Schema.Number })
) {}
