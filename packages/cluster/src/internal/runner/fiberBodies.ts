/** Bodies that run on fibers of the runner's own process. A body that blocks the event loop blocks the whole runner. */
import * as Thread from "@quiesce/core/Thread"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import { RequestId } from "effect/rpc/RpcMessage"
import type { Scope } from "effect/Scope"
import { CurrentClusterThread } from "../lease/currentClusterThread.ts"
import type { Bodies, Start } from "./bodies.ts"

/** The handler of a task, with its services. */
type Handler = (payload: unknown, start: Start) => Effect.Effect<unknown, unknown, Scope>

/** The bodies for the handlers of a group. */
export const make = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  serviceOf: (start: Start) => CurrentClusterThread["Service"]
): Effect.Effect<Bodies, never, Rpc.ToHandler<Rpcs>> =>
  Effect.gen(function* () {
    const handlers = new Map<string, Handler>()
    const context = yield* Effect.context<Rpc.ToHandler<Rpcs>>()
    for (const [task, rpc] of group.requests) {
      // The layer of the group's handlers has an entry for each.
      handlers.set(task, handlerOf(rpc, context.mapUnsafe.get(rpc.key) as Rpc.Handler<string>))
    }
    return {
      tasks: new Set(handlers.keys()),
      canUnwind: false,
      spawn: (start, begun) => {
        const handler = handlers.get(start.task)!
        const body = Effect.andThen(begun, handler(start.payload, start))
        return Thread.spawn(Effect.provideService(body, CurrentClusterThread, serviceOf(start)), { name: start.name })
      }
    }
  })

/**
 * The context of the thread's own fiber wins over that of the handlers' layer, as in Effect's `RpcServer`. The scope of the
 * layer would otherwise get the leases of all threads.
 */
const handlerOf = (rpc: Rpc.Any, entry: Rpc.Handler<string>): Handler => {
  let requests = 0
  return (payload, { id }) =>
    Effect.withFiber(({ context }) => {
      const given = entry.handler(payload, {
        client: new Rpc.ServerClient(0),
        requestId: RequestId(String(requests++)),
        headers: Headers.fromInput({ "quiesce-thread": id }),
        rpc
      })
      // Groups with streams were refused before. The services of the handlers are in the context of their layer.
      const body = (Rpc.isWrapper(given) ? given.value : given) as Effect.Effect<unknown, unknown>
      return Effect.provideContext(body, Context.merge(entry.context, context))
    })
}
