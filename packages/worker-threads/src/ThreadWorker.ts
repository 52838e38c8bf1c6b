/**
 * The worker's side of a pool: runs the handlers of a contract as threads, each with its own scope.
 *
 * @since 0.1.0
 */
import { isMainThread, workerData } from "node:worker_threads"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import * as Scope from "effect/Scope"
import { handshakeOf } from "./internal/wire/handshake.ts"
import * as WorkerRuntime from "./internal/worker/workerRuntime.ts"
import * as WorkerError from "./WorkerError.ts"

/**
 * Runs the handlers of `group` for the pool that started this worker, until the pool closes the worker. Call it once,
 * at the top of the worker's module. `handlers` is the result of `group.toLayer`.
 *
 * Each task is a thread with its own `Thread.current`. Its leases and children are released before its exit is sent,
 * and the host can end its `Blocking.interruptible` sections. A failure outside the contract reaches the caller as a
 * defect.
 *
 * @category runners
 * @since 0.1.0
 */
export const main = <Rpcs extends Rpc.Any, E>(
  group: RpcGroup.RpcGroup<Rpcs>,
  handlers: Layer.Layer<Rpc.ToHandler<Rpcs>, E>
): void => {
  const handshake = handshakeOf(workerData)
  if (isMainThread || handshake === undefined) {
    throw WorkerError.make({
      _tag: "SpawnFailed",
      attempts: 0,
      problem: "ThreadWorker.main was called outside a worker of a pool, which hands it what it needs in workerData"
    })
  }
  const { port } = handshake
  const program = Effect.flatMap(Layer.build(handlers), (context) =>
    WorkerRuntime.serve(WorkerRuntime.entriesOf(group.requests, context.mapUnsafe), handshake)
  )
  Effect.runFork(Effect.scopedWith((scope) => Scope.provide(program, scope))).addObserver((exit) => {
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
      port.postMessage([{ _tag: "Failed", problem: Cause.pretty(exit.cause) }])
    }
    port.close()
  })
}
