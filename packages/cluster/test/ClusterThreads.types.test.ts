/**
 * The types of a cluster's threads: the arguments of a spawn, and the requirements of a runner. The compiler checks
 * them.
 */
import {
  type ClusterError,
  ClusterEntity,
  ClusterLease,
  type ClusterRunner,
  type ClusterStore,
  type ClusterThreads,
  type Fence
} from "@quiesce/cluster"
import type { Thread } from "@quiesce/core"
import { Context, Effect, type Layer, Schema, type Scope } from "effect"
import { Entity } from "effect/cluster"
import type { Sharding } from "effect/cluster/Sharding"
import { Rpc, RpcGroup } from "effect/rpc"
import { expectTypeOf, it } from "vitest"

class Tasks extends RpcGroup.make(
  Rpc.make("Add", { payload: { a: Schema.Number }, success: Schema.Number, error: Schema.String }),
  Rpc.make("Ping", {})
) {}

class Disk extends Context.Service<Disk, { readonly remove: Effect.Effect<void> }>()("Disk") {}

declare const threads: ClusterThreads.Of<typeof Tasks>

const Folder = ClusterLease.make("Folder", { payload: Schema.String, value: Schema.Number })

const folders = ClusterLease.keeper(Folder, {
  acquire: () => Effect.succeed(1),
  release: () => Effect.flatMap(Disk, ({ remove }) => remove)
})

const Counter = Entity.make("Counter", [Rpc.make("Get", { success: Schema.Number })])

/** Never called. */
const calls = {
  add: () => threads.spawn("Add", { a: 1 }),
  ping: () => threads.spawn("Ping"),
  again: () => threads.spawn("Ping", undefined, { onLoss: "rerun", name: "ping" }),
  acquire: () => ClusterLease.acquire(Folder, "a")
}

it("ClusterThreads.spawn has the types of the task, and its payload may be left out", () => {
  expectTypeOf(calls.add).returns.toEqualTypeOf<
    Effect.Effect<Thread.Thread<number, string | ClusterError.ClusterError>, ClusterError.ClusterError, Scope.Scope>
  >()
  expectTypeOf(calls.ping).returns.toEqualTypeOf<ReturnType<typeof calls.again>>()
})

it("ClusterLease.acquire returns the value of the lease", () => {
  expectTypeOf(calls.acquire).returns.toEqualTypeOf<Effect.Effect<number, ClusterError.ClusterError, Scope.Scope>>()
})

it("ClusterRunner.embedded needs the handlers of the tasks and the services of its keepers", () => {
  const options = { keepers: [folders] }
  type Needs = Layer.Services<ReturnType<typeof ClusterRunner.embedded<RpcGroup.Rpcs<typeof Tasks>, typeof options>>>
  expectTypeOf<Disk>().toExtend<Needs>()
  expectTypeOf<Rpc.ToHandler<RpcGroup.Rpcs<typeof Tasks>>>().toExtend<Needs>()
  expectTypeOf<ClusterStore.ClusterStore>().toExtend<Needs>()
})

it("ClusterEntity.client and ClusterEntity.from have the types of the entity", () => {
  expectTypeOf(ClusterEntity.client(Counter)).toEqualTypeOf<typeof Counter.client>()
  expectTypeOf(ClusterEntity.from(Counter)).toEqualTypeOf<typeof Counter>()
  expectTypeOf<Effect.Services<typeof Counter.client>>().toEqualTypeOf<Sharding>()
})

it("Fence.token fails with a ClusterError", () => {
  expectTypeOf<Effect.Error<typeof Fence.token>>().toEqualTypeOf<ClusterError.ClusterError>()
})
