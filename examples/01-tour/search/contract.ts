/** What the workers of the last scenes do with real files, and what they have the host keep for them. */
import { Escalation } from "@quiesce/core"
import { HostLease, SharedMutex } from "@quiesce/worker-threads"
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

/** A word of shared memory, in which a task says that it is busy: there it leaves the id of its OS thread. */
const Busy = Schema.declare((u): u is Int32Array<SharedArrayBuffer> => u instanceof Int32Array)

const Paths = Schema.Array(Schema.String)

export class Searches extends RpcGroup.make(
  /** Scans files over and over, in a loop that ends on the given rung, and gives how many it has read. */
  Rpc.make("Scan", {
    payload: { paths: Paths, report: Schema.String, endsOn: Schema.Literals(Escalation.rungs), busy: Busy },
    success: Schema.Number
  }),
  /** Matches the words of a file, copied into a folder of its own, against an expression that backtracks for ever. */
  Rpc.make("Match", { payload: { path: Schema.String, folder: Schema.String, busy: Busy } }),
  /** Indexes files under a lock, and hangs in the middle of the one after them. */
  Rpc.make("Hold", {
    payload: { database: Schema.String, scene: Schema.String, paths: Paths, lock: SharedMutex.SharedMutex, busy: Busy }
  }),
  /** Indexes what is missing, under the same lock. */
  Rpc.make("Resume", {
    payload: { database: Schema.String, scene: Schema.String, paths: Paths, lock: SharedMutex.SharedMutex },
    success: Schema.Struct({ ownerDied: Schema.Boolean, dropped: Schema.Number, added: Schema.Number })
  })
) {}

/** A folder, whose name begins as it is asked for. */
export const Scratch = HostLease.make({ name: "scratch folder", payload: Schema.String, success: Schema.String })

export const makeBusy = (): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(4))
