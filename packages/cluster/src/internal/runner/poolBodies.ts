/** Bodies that run in a worker pool, so that a busy body delays neither the runner nor its other threads. */
import type * as WorkerPool from "@quiesce/worker-threads/WorkerPool"
import type * as WorkerError from "@quiesce/worker-threads/WorkerError"
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import type { Scope } from "effect/Scope"
import type { ClusterThread } from "../lease/currentClusterThread.ts"
import * as PoolLeases from "../lease/poolLeases.ts"
import type { Bodies, Start } from "./bodies.ts"

/** The part of a pool that starts a task of any name. */
interface AnyPool {
  readonly spawn: (task: string, payload: unknown, options: { readonly name: string }) => ReturnType<Bodies["spawn"]>
}

/** Opens the pool in the current scope. The package of the pool is loaded only here, because it is an optional peer. */
export const make = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: WorkerPool.Options,
  threadOf: (start: Start) => ClusterThread
): Effect.Effect<Bodies, WorkerError.WorkerError, Scope> =>
  Effect.gen(function* () {
    const module = yield* Effect.promise(() => import("@quiesce/worker-threads/WorkerPool"))
    const hostLease = yield* Effect.promise(() => import("@quiesce/worker-threads/HostLease"))
    // A group with middleware was refused before, so the pool needs no services.
    const pool = (yield* module.make(group, options) as Effect.Effect<
      unknown,
      WorkerError.WorkerError,
      Scope
    >) as AnyPool
    return {
      tasks: new Set(group.requests.keys()),
      canUnwind: true,
      // A task reaches its worker by a message, so no lease of its body comes before `begun`.
      spawn: (start) =>
        hostLease.provide(
          pool.spawn(start.task, start.payload, { name: start.name }),
          PoolLeases.handlersOf(hostLease, threadOf(start))
        )
    }
  })
