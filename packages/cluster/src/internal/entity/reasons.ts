/**
 * The reasons of interrupts of entity calls. Effect's message for an interrupt has no field for a reason. A second entity
 * with the same id is on the same shard, and so at the same runner: it interrupts the handler's fiber with the reason.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as ClusterSchema from "effect/cluster/ClusterSchema"
import * as Entity from "effect/cluster/Entity"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import type { Sharding } from "effect/cluster/Sharding"
import { SentReason } from "../wire/sentReason.ts"

const Cancel = Rpc.make("Cancel", {
  payload: { request: Schema.String, reason: SentReason },
  success: Schema.Boolean
})

/** The entity for reasons, which is beside the other entity at each runner. */
const besideOf = (entity: Entity.Any) =>
  Entity.make(`${entity.type}.quiesce`, [Cancel]).annotate(ClusterSchema.ShardGroup, (id) => entity.getShardGroup(id))

/** The fibers of the handlers at this runner, by the id of the request. */
export type Handling = Map<string, Fiber.Fiber<unknown, unknown>>

/** Receives the reasons at a runner. */
export const layer = (entity: Entity.Any, handling: Handling): Layer.Layer<never, never, Sharding> =>
  besideOf(entity).toLayer(
    {
      Cancel: ({ payload: { reason, request } }) =>
        Effect.sync(() => {
          const fiber = handling.get(request)
          fiber?.interruptUnsafe(undefined, CancelReason.toAnnotations(reason))
          return fiber !== undefined
        })
    },
    { concurrency: "unbounded", mailboxCapacity: "unbounded", maxIdleTime: "5 seconds" }
  )

/** The interrupt of a call does not wait longer for a runner that is frozen, in milliseconds. */
const answerMillis = 500

/** Sends the reason of a call to the runner of an entity. Never fails, and waits for a moment at most. */
export type Send = (entityId: string, request: string, reason: CancelReason.CancelReason) => Effect.Effect<void>

/** For runners that receive no reasons. */
export const send: Send = () => Effect.void

/** A runner without this entity fails all calls of the connection. */
export const sender = (entity: Entity.Any): Effect.Effect<Send, never, Sharding> =>
  Effect.map(
    besideOf(entity).client,
    (clientOf): Send =>
      (entityId, request, reason) =>
        clientOf(entityId)
          .Cancel({ request, reason })
          .pipe(
            Effect.timeout(answerMillis),
            Effect.catchCause(() => Effect.void),
            Effect.asVoid
          )
  )
