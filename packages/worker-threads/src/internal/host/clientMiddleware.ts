/**
 * The client middleware of a contract. It wraps the sending of a call, as in Effect's RpcClient: the middleware that was
 * added last is the outermost, and each can change the request or refuse it.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcMessage from "effect/rpc/RpcMessage"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as Schema from "effect/Schema"
import * as WorkerError from "../../WorkerError.ts"
import type { Envelope } from "../wire/envelope.ts"

type Middleware = RpcMiddleware.RpcMiddlewareClient<unknown, unknown, never>
type Request = Parameters<Middleware>[0]["request"]

/** Sends a request. */
type Send<A> = (envelope: Envelope) => Effect.Effect<A, unknown>

/** Sends the payload of a call through the middleware, and gives the result of sending. */
export type Through = <A>(payload: unknown, send: Send<A>) => Effect.Effect<A, unknown>

/** The client middleware of each task with middleware in its contract. Fails if a required middleware is not provided. */
export const of = (
  requests: ReadonlyMap<string, Rpc.Any>,
  services: Context.Context<never>
): Effect.Effect<ReadonlyMap<string, Through>, WorkerError.WorkerError> => {
  const all = new Map<string, Through>()
  for (const [tag, any] of requests) {
    // Every Rpc has its schemas; the group's type only forgets them.
    const rpc = any as unknown as Rpc.AnyWithProps
    if (rpc.middlewares.size === 0) continue
    const found: Array<Middleware> = []
    for (const { key, requiredForClient } of rpc.middlewares) {
      // RpcMiddleware.layerClient provides the middleware under this key.
      const middleware = services.mapUnsafe.get(`${key}/Client`) as Middleware | undefined
      if (middleware !== undefined) found.push(middleware)
      else if (requiredForClient) return Effect.fail(missing(tag, key))
    }
    all.set(tag, through(rpc, found))
  }
  return Effect.succeed(all)
}

const missing = (task: string, key: string): WorkerError.WorkerError =>
  WorkerError.make({
    _tag: "InvalidOption",
    option: "The contract",
    problem: `"${task}" requires the client middleware "${key}", which is not provided. Provide RpcMiddleware.layerClient of it where the pool is made`
  })

let lastRequest = 0

const through =
  (rpc: Rpc.AnyWithProps, middlewares: ReadonlyArray<Middleware>): Through =>
  (payload, send) =>
    Effect.flatMap(RpcClient.CurrentHeaders, (headers) => {
      if (middlewares.length === 0) return send({ headers, payload })
      return Effect.flatMap(made(rpc, payload), (value) => {
        const request = {
          _tag: "Request",
          id: RpcMessage.RequestId(String(++lastRequest)),
          tag: rpc._tag,
          payload: value,
          headers
        } as unknown as Request
        return sendThrough(rpc, middlewares, request, send)
      })
    })

/** The payload as the middleware sees it. */
const made = (rpc: Rpc.AnyWithProps, payload: unknown): Effect.Effect<unknown, WorkerError.WorkerError> =>
  Effect.mapError(rpc.payloadSchema.makeEffect(payload), (issue) =>
    WorkerError.make({ _tag: "NotSendable", task: rpc._tag, problem: new Schema.SchemaError(issue).message })
  )

const sendThrough = <A>(
  rpc: Rpc.AnyWithProps,
  middlewares: ReadonlyArray<Middleware>,
  first: Request,
  send: Send<A>
): Effect.Effect<A, unknown> =>
  Effect.suspend(() => {
    let sent: Effect.Effect<A> | undefined
    const sending = ({ headers, payload }: Request): Effect.Effect<A, unknown> =>
      Effect.map(send({ headers: Headers.fromInput(headers), payload }), (result) => {
        sent = Effect.succeed(result)
        return result
      })
    // A middleware only passes the result on.
    let run = sending as (request: Request) => ReturnType<Middleware>
    for (const middleware of middlewares) {
      const next = run
      run = (request) => middleware({ rpc, request, next })
    }
    return Effect.flatMap(run(first), () => sent ?? Effect.die(new Error(unsent(rpc._tag))))
  })

const unsent = (task: string): string =>
  `A client middleware of "${task}" succeeded without sending the request. Return the Effect that next gives, or fail`
