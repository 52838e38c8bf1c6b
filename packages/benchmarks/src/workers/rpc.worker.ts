/** The worker of an Effect RPC app, with Effect's own protocol. */
import { NodeRuntime, NodeWorkerRunner } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { RpcServer } from "effect/rpc"
import { Adding } from "./contract.ts"

const handlers = Adding.toLayer({ Add: ({ a, b }) => Effect.succeed(a + b) })

NodeRuntime.runMain(
  Layer.launch(
    RpcServer.layer(Adding).pipe(
      Layer.provide(handlers),
      Layer.provide(RpcServer.layerProtocolWorkerRunner),
      Layer.provide(NodeWorkerRunner.layer)
    )
  )
)
