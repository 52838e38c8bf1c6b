/**
 * The worker's side of a pool: runs the handlers of a contract as threads, each with its own scope.
 *
 * @since 0.1.0
 */
import { isMainThread, type MessagePort, workerData } from "node:worker_threads"
import { causeText, traceOf } from "@quiesce/core/internal"
import * as ThreadDump from "@quiesce/core/ThreadDump"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { handshakeOf } from "./internal/wire/handshake.ts"
import { versionProblem } from "./internal/wire/versionProblem.ts"
import { decodeToWorker } from "./internal/wire/toWorker.ts"
import { guardUncaught } from "./internal/worker/uncaught.ts"
import * as WorkerRuntime from "./internal/worker/workerRuntime.ts"
import * as WorkerError from "./WorkerError.ts"

/**
 * Runs the handlers of `group` for the pool that started this worker, until the pool closes the worker. Call it once,
 * at the top of the worker's module. `handlers` is the result of `group.toLayer`, merged with the layers of the
 * contract's middleware and of the services that its Schemas need. Middleware wraps each call, as in Effect's RpcServer: a
 * call that the middleware denies does not run its handler.
 *
 * Each task is a thread with its own `Thread.current`. Its leases and children are released before its exit is sent,
 * and the host can end its `Blocking.interruptible` sections. A failure outside the contract reaches the caller as a
 * defect.
 *
 * @stability unstable
 * @category runners
 * @since 0.1.0
 */
export const main = <Rpcs extends Rpc.Any, E>(
  group: RpcGroup.RpcGroup<Rpcs>,
  handlers: Layer.Layer<Rpc.ToHandler<Rpcs> | Rpc.Middleware<Rpcs> | Rpc.ServicesServer<Rpcs>, E>
): void => {
  const handshake = handshakeOf(workerData)
  if (isMainThread || handshake === undefined) {
    throw WorkerError.make({
      _tag: "SpawnFailed",
      attempts: 0,
      problem: "ThreadWorker.main was called outside a worker of a pool, which hands it what it needs in workerData"
    })
  }
  const mismatch = versionProblem(handshake)
  if (mismatch !== undefined) throw WorkerError.make({ _tag: "SpawnFailed", attempts: 0, problem: mismatch })
  const { port } = handshake
  guardUncaught(port, traceOf)
  ThreadDump.expose()
  const program = Effect.flatMap(Layer.build(handlers), (context) =>
    WorkerRuntime.serve(WorkerRuntime.entriesOf(group.requests, context.mapUnsafe), handshake)
  )
  const fiber = Effect.runFork(Effect.scopedWith((scope) => Scope.provide(program, scope)))
  endAtClose(port, fiber)
  fiber.addObserver((exit) => {
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
      port.postMessage([{ _tag: "Failed", problem: causeText(exit.cause) }])
    }
    port.close()
  })
}

/**
 * Interrupts the worker if the pool closes before the handlers are built, so that the finalizers of their layer run. Once
 * the worker serves, the runtime's own listener receives the messages.
 */
const endAtClose = (port: MessagePort, fiber: Fiber.Fiber<unknown, unknown>): void => {
  const listener = (raw: unknown): void => {
    if (port.listenerCount("message") > 1) port.off("message", listener)
    else if (isClose(raw)) fiber.interruptUnsafe()
  }
  port.on("message", listener)
  // The listener alone does not keep the worker alive.
  port.unref()
}

const isClose = (raw: unknown): boolean => decodeToWorker(raw)?.some(({ _tag }) => _tag === "Close") === true
