/** What the worker of the last scenes does with real files. */
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

/** A word that the task sets when its search has begun. */
const Begun = Schema.declare((u): u is Int32Array<SharedArrayBuffer> => u instanceof Int32Array)

export class Searches extends RpcGroup.make(
  /** Matches the words of a file against an expression that backtracks for ever, in a section that may be ended. */
  Rpc.make("Match", { payload: { path: Schema.String, begun: Begun } }),
  /** Counts the lines of a file over and over, in no section. */
  Rpc.make("Count", { payload: { path: Schema.String, begun: Begun } })
) {}

export const makeBegun = (): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(4))
