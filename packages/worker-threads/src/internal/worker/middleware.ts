/**
 * The middleware of a contract in a worker. It wraps the whole run of a task, as in Effect's RpcServer: the middleware that
 * was added last is the outermost. The handler is called inside, so a denied call runs no code of its handler.
 */
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import { callHandler } from "../wire/handlerCall.ts"

type Middleware = RpcMiddleware.RpcMiddleware<unknown, unknown, unknown>

/** The second argument of a middleware. */
type Metadata = Parameters<Middleware>[1]

type Task = Effect.Effect<unknown, unknown>

/** A task with its middleware around it. */
export type Wrap = (task: Task, metadata: Metadata) => Task

/**
 * The middleware of `rpc`; undefined if the contract has none. Throws if the layer of the worker lacks one, because a
 * guarded task must not run without its guard.
 */
export const of = (rpc: Rpc.AnyWithProps, services: ReadonlyMap<string, unknown>): Wrap | undefined => {
  if (rpc.middlewares.size === 0) return undefined
  const layers = Array.from(rpc.middlewares, ({ key }) => {
    const service = services.get(key)
    if (service === undefined) throw new Error(missing(rpc._tag, key))
    // The service of a middleware's key is that middleware.
    return service as Middleware
  })
  return (task, metadata) => {
    let wrapped = task
    for (const middleware of layers) {
      const inner = wrapped as Parameters<Middleware>[0]
      // Each middleware is called alone on the stack, because its code may be ended by force.
      wrapped = Effect.suspend(() => callHandler(middleware, inner, metadata)) as Task
    }
    return wrapped
  }
}

const missing = (task: string, key: string): string =>
  `The contract of "${task}" has the middleware "${key}", which the worker's layer does not provide. Give ThreadWorker.main a layer that provides it beside the handlers`
