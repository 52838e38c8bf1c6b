/**
 * Effect's own RPC over workers whose calls are threads. An app on `RpcClient.layerProtocolWorker` changes one line on
 * the host and one line in the worker, and its calls then end as threads do.
 *
 * - An interrupt returns after the remote finalizers, and both sides know the reason.
 * - Synchronous code that blocks the worker is ended. If that fails, the worker is killed and replaced.
 * - A crash of a worker or a defect in a handler fails only the calls concerned.
 * - Deadlines, transferables, headers, spans, middleware and backpressure of streams cross as before.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as RpcClient from "effect/rpc/RpcClient"
import type * as RpcServer from "effect/rpc/RpcServer"
import { laterPart } from "./internal/wire/laterPart.ts"
import type * as WorkerError from "./WorkerError.ts"
import type * as WorkerPool from "./WorkerPool.ts"

/**
 * A protocol for `RpcClient` that runs calls on a pool of workers, in place of `RpcClient.layerProtocolWorker`. It
 * starts the workers itself, without a `WorkerPlatform` or a `Spawner`. The workers need `layerServer`.
 *
 * A call fails with an `RpcClientError` if the worker is lost or the request can't be sent. The thread of a call is a
 * child of the calling thread, and has the name of the Rpc.
 *
 * *Cancellation*: an interrupted call climbs the escalation with the reason of the interrupt, and returns after its
 * finalizers have run. The same holds for a stream that ends early, at any element, and for the calls of a client whose
 * scope closes.
 *
 * ```ts
 * import { Worker } from "node:worker_threads"
 * import { RpcProtocol } from "@quiesce/worker-threads"
 *
 * // Was: RpcClient.layerProtocolWorker({ size: 2 })
 * const protocol = RpcProtocol.layerClient({
 *   size: 2,
 *   spawn: (options) => new Worker(new URL("./tasks.worker.ts", import.meta.url), options)
 * })
 * ```
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerClient = (options: WorkerPool.Options): Layer.Layer<RpcClient.Protocol, WorkerError.WorkerError> =>
  // Most workers import this module and need neither end of it.
  Layer.unwrap(
    Effect.map(
      Effect.promise(() => laterPart(import("./internal/rpc/host/client.ts"))),
      (client) => client.layer(options)
    )
  )

/**
 * A protocol for `RpcServer` in a worker of `layerClient`, in place of `RpcServer.layerProtocolWorkerRunner`. No
 * `WorkerRunnerPlatform` is needed.
 *
 * Each request is a thread of its own: `Thread.current`, `Lease`, `Blocking`, `HostLease` and `Deadline` in its handler
 * belong to the call. The reply is sent after all resources of the handler are released. For the RpcServer each request
 * is a client of its own.
 *
 * Fails with `SpawnFailed` if no `layerClient` has started the worker.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerServer: Layer.Layer<RpcServer.Protocol, WorkerError.WorkerError> = Layer.unwrap(
  Effect.map(
    Effect.promise(() => laterPart(import("./internal/rpc/worker/server.ts"))),
    (server) => server.layer
  )
)
