/** The tasks of the workers in the last scenes, and the lease that the host keeps for a task. */
import { Escalation } from "@quiesce/core"
import { HostLease, SharedMutex } from "@quiesce/worker-threads"
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

/** A word of shared memory. A busy task stores the id of its OS thread there. */
const Busy = Schema.declare((u): u is Int32Array<SharedArrayBuffer> => u instanceof Int32Array)

const Paths = Schema.Array(Schema.String)

export class Searches extends RpcGroup.make(
  /** Scans files over and over in a loop that ends on the given rung, and gives the number of read files. */
  Rpc.make("Scan", {
    payload: { paths: Paths, report: Schema.String, endsOn: Schema.Literals(Escalation.rungs), busy: Busy },
    success: Schema.Number
  }),
  /** Copies a file into a scratch folder and matches its words against an expression that backtracks for ever. */
  Rpc.make("Match", { payload: { path: Schema.String, folder: Schema.String, busy: Busy } }),
  /** Indexes files under a lock and hangs in the middle of the last file. */
  Rpc.make("Hold", {
    payload: { database: Schema.String, scene: Schema.String, paths: Paths, lock: SharedMutex.SharedMutex, busy: Busy }
  }),
  /** Indexes the missing files under the same lock. */
  Rpc.make("Resume", {
    payload: { database: Schema.String, scene: Schema.String, paths: Paths, lock: SharedMutex.SharedMutex },
    success: Schema.Struct({ ownerDied: Schema.Boolean, dropped: Schema.Number, added: Schema.Number })
  })
) {}

/** A temporary folder. The payload is the beginning of its name. */
export const Scratch = HostLease.make({ name: "scratch folder", payload: Schema.String, success: Schema.String })

export const makeBusy = (): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(4))
