/** The bodies of the laws' programs as tasks of an embedded cluster: a task finds its body by a number. */
import * as ClusterLease from "@quiesce/cluster/ClusterLease"
import type { Kept, Work } from "@quiesce/testing/laws/Subject"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/** Values and failures cross as texts, as those of the workers do. */
export class Tasks extends RpcGroup.make(
  Rpc.make("Run", { payload: { body: Schema.Number }, success: Schema.String, error: Schema.String })
) {}

/** A lease that outlives its thread. The payload and the value are the number of its events. */
export const Resource: ClusterLease.ClusterLease<number, number> = ClusterLease.make("resource", {
  payload: Schema.Number,
  value: Schema.Number
})

export class Bodies {
  private readonly bodies: Array<Work<unknown, Scope.Scope>> = []
  private readonly kept: Array<Kept> = []

  add(body: Work<unknown, Scope.Scope>): number {
    return this.bodies.push(body) - 1
  }

  keep(kept: Kept): number {
    return this.kept.push(kept) - 1
  }

  get handlers(): Layer.Layer<Rpc.ToHandler<RpcGroup.Rpcs<typeof Tasks>>> {
    return Tasks.toLayer({
      // The runner provides each handler with the scope of its thread.
      Run: ({ body }) =>
        Effect.mapBoth(this.bodies[body]!, { onSuccess: String, onFailure: String }) as Effect.Effect<string, string>
    })
  }

  get keeper(): ClusterLease.Keeper<never> {
    return ClusterLease.keeper(Resource, {
      acquire: (number) => Effect.as(this.kept[number]!.acquired, number),
      release: ({ payload }) => {
        const { released, releasing } = this.kept[payload]!
        return Effect.andThen(releasing(Exit.void), released)
      }
    })
  }
}
