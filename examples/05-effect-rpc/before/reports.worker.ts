/** The worker, as in Effect's documentation. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeWorkerRunner from "@effect/platform-node/NodeWorkerRunner"
import { Layer } from "effect"
import { RpcServer } from "effect/rpc"
import { Reports } from "../contract.ts"
import { handlers } from "../handlers.ts"

RpcServer.layer(Reports).pipe(
  Layer.provide(handlers),
  Layer.provide(RpcServer.layerProtocolWorkerRunner),
  Layer.provide(NodeWorkerRunner.layer),
  Layer.launch,
  NodeRuntime.runMain
)
