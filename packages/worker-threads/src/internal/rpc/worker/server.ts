/**
 * The worker's end of Effect's RPC: an RpcServer's protocol whose requests are the tasks of a pool's worker.
 *
 * Invariant: a request is in `requests`, under the id of its task, while the RpcServer may send a response for it.
 */
import { workerData } from "node:worker_threads"
import { CurrentThreadSpan, traceOf } from "@quiesce/core/internal"
import * as ThreadDump from "@quiesce/core/ThreadDump"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as RpcMessage from "effect/rpc/RpcMessage"
import * as RpcServer from "effect/rpc/RpcServer"
import type * as Scope from "effect/Scope"
import * as WorkerError from "../../../WorkerError.ts"
import * as InitialMessage from "../initialMessage.ts"
import { contextOf, Launch } from "./launch.ts"
import { handlerProblem } from "./launchTrial.ts"
import { type Handshake, handshakeOf } from "../../wire/handshake.ts"
import { versionProblem } from "../../wire/versionProblem.ts"
import * as RpcCodec from "../codec.ts"
import { RpcRequest, type Write } from "./request.ts"
import { guardUncaught } from "../../worker/uncaught.ts"
import * as WorkerRuntime from "../../worker/workerRuntime.ts"
import type { Entry } from "../../worker/workerTask.ts"

const make: Effect.Effect<RpcServer.Protocol["Service"], WorkerError.WorkerError, Scope.Scope> = Effect.withFiber(
  (builder) => {
    const handshake = handshakeOf(workerData)
    if (handshake === undefined) return Effect.fail(WorkerError.make(noHandshake))
    const problem = versionProblem(handshake)
    if (problem !== undefined) return Effect.fail(WorkerError.make({ _tag: "SpawnFailed", attempts: 0, problem }))
    guardUncaught(handshake.port, traceOf)
    ThreadDump.expose()
    const requests = new Map<number, RpcRequest>()
    return Effect.map(InitialMessage.listen, (initial): RpcServer.Protocol["Service"] => ({
      run: (write) => Effect.andThen(serve(requests, write, handshake), endOf(builder)),
      send: (clientId, response, transfers) =>
        Effect.suspend(() => requests.get(clientId)?.respond(response, transfers ?? []) ?? Effect.void),
      end: () => Effect.void,
      disconnects,
      clientIds: Effect.sync(() => new Set(requests.keys())),
      initialMessage: Effect.asSome(initial),
      // The chunks of a stream wait for the host in `send`.
      supportsAck: false,
      supportsTransferables: true,
      supportsSpanPropagation: true,
      supportsNotifications: false,
      codecFor: RpcCodec.codecFor
    }))
  }
)

export const layer: Layer.Layer<RpcServer.Protocol, WorkerError.WorkerError> = Layer.effect(RpcServer.Protocol, make)

const noHandshake: WorkerError.WorkerErrorReason = {
  _tag: "SpawnFailed",
  attempts: 0,
  problem: "RpcProtocol.layerServer was built outside a worker of RpcProtocol.layerClient, which has the worker started"
}

const serve = (requests: Map<number, RpcRequest>, write: Write, handshake: Handshake): Effect.Effect<void> => {
  const codec = RpcCodec.make("request")
  const problem = handlerProblem()
  const handle: Entry["run"] = (payload, outlet) => {
    // The codec has decoded it.
    const request = new RpcRequest(
      payload as RpcMessage.RequestEncoded,
      outlet,
      write,
      problem === undefined ? new Launch() : undefined
    )
    requests.set(outlet.id, request)
    return Effect.ensuring(
      request.handled,
      Effect.sync(() => requests.delete(outlet.id))
    )
  }
  const served = WorkerRuntime.serve(
    (given, scheduler) => {
      // The RpcServer makes the span of a call.
      const context = Context.add(given, CurrentThreadSpan, {
        ...Context.get(given, CurrentThreadSpan)!,
        prefix: undefined
      })
      const entry = {
        codec,
        run: handle,
        around: undefined,
        // Messages are sent in encoded form.
        services: Context.empty(),
        context: problem === undefined ? contextOf(context, scheduler) : context
      }
      return { get: () => entry }
    },
    handshake,
    problem
  )
  return Effect.ensuring(
    Effect.scoped(served),
    Effect.sync(() => handshake.port.close())
  )
}

/** Ends the worker's program, as Effect's own worker protocol does when it closes. */
const endOf = (builder: Fiber.Fiber<unknown, unknown>): Effect.Effect<never> =>
  Effect.suspend(() => {
    builder.currentDispatcher.scheduleTask(() => builder.interruptUnsafe(builder.id), 0)
    return Effect.never
  })

/** No client disconnects: requests end one by one, or with the worker. */
const disconnects: Queue.Dequeue<number> = Effect.runSync(Queue.unbounded<number>())
