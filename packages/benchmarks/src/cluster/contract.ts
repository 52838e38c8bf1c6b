/** The same work as a thread of a cluster, and as calls to an entity of the bare engine. */
import { ClusterLease } from "@quiesce/cluster"
import { Effect, Schema } from "effect"
import { ClusterSchema, Entity } from "effect/cluster"
import { Rpc, RpcGroup } from "effect/rpc"

const sum = { payload: { a: Schema.Number, b: Schema.Number }, success: Schema.Number }

export class Tasks extends RpcGroup.make(
  Rpc.make("Add", sum),
  /** Waits to be interrupted. Its finalizer takes so many milliseconds. */
  Rpc.make("Hold", { payload: { releaseMillis: Schema.Number } }),
  /** Holds so many leases that outlive the machine. */
  Rpc.make("Keep", { payload: { leases: Schema.Number } })
) {}

const Room = ClusterLease.make("room", { payload: Schema.Number, value: Schema.Number })

export const rooms = ClusterLease.keeper(Room, { acquire: Effect.succeed, release: () => Effect.void })

export const handlers = Tasks.toLayer({
  Add: ({ a, b }) => Effect.succeed(a + b),
  Hold: ({ releaseMillis }) => Effect.ensuring(Effect.never, Effect.sleep(releaseMillis)),
  Keep: ({ leases }) => {
    const numbers = Array.from({ length: leases }, (_, number) => number)
    const all = Effect.forEach(numbers, (number) => ClusterLease.acquire(Room, number), { concurrency: 16 })
    return Effect.orDie(Effect.scoped(Effect.andThen(all, Effect.never)))
  }
})

/** An entity for each call, as each thread is one. */
export const Bare = Entity.make("Bare", [
  Rpc.make("Add", sum),
  Rpc.make("AddStored", sum).annotate(ClusterSchema.Persisted, true)
])

export const bare = Bare.toLayer(
  {
    Add: ({ payload: { a, b } }) => Effect.succeed(a + b),
    AddStored: ({ payload: { a, b } }) => Effect.succeed(a + b)
  },
  { maxIdleTime: "5 seconds" }
)
