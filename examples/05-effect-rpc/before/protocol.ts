/** The host's protocol, as in Effect's documentation. */
import { Worker } from "node:worker_threads"
import * as NodeWorker from "@effect/platform-node/NodeWorker"
import { Layer } from "effect"
import { RpcClient } from "effect/rpc"

const url = new URL("./reports.worker.ts", import.meta.url)

export const protocol = Layer.provide(
  RpcClient.layerProtocolWorker({ size: 2 }),
  NodeWorker.layer(() => new Worker(url))
)
