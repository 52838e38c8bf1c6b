/** The host's protocol, with one line changed. `NodeWorker` is no longer needed and does no harm. */
import { Worker } from "node:worker_threads"
import * as NodeWorker from "@effect/platform-node/NodeWorker"
import { RpcProtocol } from "@quiesce/worker-threads"
import { Layer } from "effect"

const url = new URL("./reports.worker.ts", import.meta.url)

export const protocol = Layer.provide(
  RpcProtocol.layerClient({ size: 2, spawn: (options) => new Worker(url, options) }),
  NodeWorker.layer(() => new Worker(url))
)
