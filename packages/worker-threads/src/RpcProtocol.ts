/**
 * Effect's own RPC, over workers whose calls are threads: an app on `RpcClient.layerProtocolWorker` changes one line on
 * the host and one in the worker, and its calls end as threads do.
 *
 * - an interrupt returns after the remote finalizers, and both sides know the reason
 * - synchronous code that hogs the worker is ended, or else the worker is killed and replaced
 * - a worker that crashes, and a handler that dies, fail their own calls only
 * - deadlines, transferables, headers, spans, middleware and backpressure of streams cross as before
 *
 * @since 0.1.0
 */
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcServer from "effect/rpc/RpcServer"
import * as RpcClientProtocol from "./internal/rpc/host/client.ts"
import * as RpcServerProtocol from "./internal/rpc/worker/server.ts"
import type * as WorkerError from "./WorkerError.ts"
import type * as WorkerPool from "./WorkerPool.ts"

/**
 * A protocol for `RpcClient` that runs calls on a pool of workers, in place of `RpcClient.layerProtocolWorker`. It
 * starts the workers itself, so that no `WorkerPlatform` and no `Spawner` is needed; those need `layerServer`.
 *
 * A call whose worker is lost, or that can't be sent, fails with an `RpcClientError`. Its thread is a child of the
 * thread that calls, and is known by the name of the Rpc.
 *
 * *Cancellation*: a call that is interrupted climbs the escalation, for the reason of whoever was interrupted, and
 * returns after its finalizers have run. A stream that is ended early, at any element, does the same; and so do the
 * calls of a client whose scope closes.
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
 * @category layers
 * @since 0.1.0
 */
export const layerClient = (options: WorkerPool.Options): Layer.Layer<RpcClient.Protocol, WorkerError.WorkerError> =>
  Layer.effect(RpcClient.Protocol, RpcClientProtocol.make(options))

/**
 * A protocol for `RpcServer` in a worker of `layerClient`, in place of `RpcServer.layerProtocolWorkerRunner`. No
 * `WorkerRunnerPlatform` is needed.
 *
 * Each request is a thread, in which `Thread.current`, `Lease`, `Blocking`, `HostLease` and `Deadline` are those of its
 * call; the reply is sent when all that it acquired has been released. For the RpcServer it is a client of its own.
 *
 * Fails with `SpawnFailed` where no `layerClient` has started the worker.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServer: Layer.Layer<RpcServer.Protocol, WorkerError.WorkerError> = Layer.effect(
  RpcServer.Protocol,
  RpcServerProtocol.make
)
