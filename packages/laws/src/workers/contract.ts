/** The contract of host and worker: the tasks of the pool. */
import * as Scenario from "@quiesce/testing/laws/Scenario"
import * as HostLease from "@quiesce/worker-threads/HostLease"
import * as SharedMutex from "@quiesce/worker-threads/SharedMutex"
import * as Schema from "effect/Schema"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"

const Word = Schema.declare((u): u is Int32Array<SharedArrayBuffer> => u instanceof Int32Array)

/** A lease of a program that the host keeps. */
export const Kept = HostLease.make({
  name: "Kept",
  payload: Schema.Struct({ lease: Schema.String, thread: Schema.String, scope: Schema.String }),
  success: Schema.Void
})

export class Tasks extends RpcGroup.make(
  /** Makes the worker ready, so that its scheduler can be held. Returns its thread id. */
  Rpc.make("Hello", { success: Schema.Number }),
  /** Interprets the program of a scenario, with its plan begun at a step. */
  Rpc.make("Run", {
    payload: {
      run: Schema.Number,
      scenario: Scenario.Scenario,
      cut: Schema.NullOr(Schema.Number),
      mutex: SharedMutex.SharedMutex
    },
    error: Schema.String
  }),
  /** The same for a program without locks. The payload is JSON, which the pool sends without a fiber that encodes it. */
  Rpc.make("Call", { payload: { text: Schema.String }, error: Schema.String }),
  /** Lives beside a scenario until `word` is set, and returns the effects that it has noticed. */
  Rpc.make("Bystander", { payload: { word: Word }, success: Schema.Array(Schema.String) })
) {}
