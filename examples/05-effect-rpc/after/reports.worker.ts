/** The worker, with one line changed. `NodeWorkerRunner` is no longer needed and does no harm. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeWorkerRunner from "@effect/platform-node/NodeWorkerRunner"
import { RpcProtocol } from "@quiesce/worker-threads"
import { Layer } from "effect"
import { RpcServer } from "effect/rpc"
import { Reports } from "../contract.ts"
import { handlers } from "../handlers.ts"

RpcServer.layer(Reports).pipe(
  Layer.provide(handlers),
  Layer.provide(RpcProtocol.layerServer),
  Layer.provide(NodeWorkerRunner.layer),
  Layer.launch,
  NodeRuntime.runMain
)
