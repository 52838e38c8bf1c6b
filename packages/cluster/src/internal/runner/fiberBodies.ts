/** Bodies that run on fibers of the runner's own process. A body that blocks the event loop blocks the whole runner. */
import * as Thread from "@quiesce/core/Thread"
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
    for (const task of group.requests.keys()) handlers.set(task, yield* handlerOf(group, task as Rpcs["_tag"]))
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

const handlerOf = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  task: Rpcs["_tag"]
): Effect.Effect<Handler, never, Rpc.ToHandler<Rpcs>> =>
  // The handler of one task is among those of the group.
  Effect.map(group.accessHandler(task) as Effect.Effect<unknown, never, Rpc.ToHandler<Rpcs>>, (typed): Handler => {
    // The payload was decoded by the Schema of the task.
    const handler = typed as RawHandler
    let requests = 0
    return (payload, { id }) =>
      handler(payload, {
        client: new Rpc.ServerClient(0),
        requestId: RequestId(String(requests++)),
        headers: Headers.fromInput({ "quiesce-thread": id })
      })
  })

/** The handler as the group gives it. Groups with streams are refused before. */
type RawHandler = (
  payload: unknown,
  options: {
    readonly client: Rpc.ServerClient
    readonly requestId: RequestId
    readonly headers: Headers.Headers
  }
) => Effect.Effect<unknown, unknown, Scope>
