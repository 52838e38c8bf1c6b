/**
 * A runner: a process that runs threads of a cluster.
 *
 * @since 0.1.0
 */
import type * as Escalation from "@quiesce/core/Escalation"
import * as CancelReason from "@quiesce/core/CancelReason"
import type { ConfigError } from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { MessageStorage } from "effect/cluster/MessageStorage"
import type { Runners } from "effect/cluster/Runners"
import type { Sharding } from "effect/cluster/Sharding"
import type * as ShardingConfig from "effect/cluster/ShardingConfig"
import type * as Rpc from "effect/rpc/Rpc"
import * as RpcSchema from "effect/rpc/RpcSchema"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import type { SocketServerError } from "effect/socket/SocketServer"
import type { SqlClient } from "effect/sql/SqlClient"
import * as ClusterError from "./ClusterError.ts"
import { ClusterStore } from "./ClusterStore.ts"
import type * as ClusterLease from "./ClusterLease.ts"
import { defaultEscalation } from "./ClusterThreads.ts"
import * as Bodies from "./internal/runner/fiberBodies.ts"
import { Keepers } from "./internal/lease/keepers.ts"
import * as Engines from "./internal/engine.ts"
import * as Runner from "./internal/runner/runner.ts"
import * as Outcome from "./internal/wire/outcome.ts"

/**
 * Options of a runner.
 *
 * - `escalation`: how a thread ends when it can't stay at this runner. Its graces have to fit into the engine's
 *   `entityTerminationTimeout` (15 seconds)
 * - `keepers`: the keepers of the leases that outlive a machine, also of the other runners' threads
 * - `timeToLive`: how long this runner may be silent before others take its threads for lost (default: 35 seconds, as the
 *   engine's locks)
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options<out R = never> {
  readonly keepers?: ReadonlyArray<ClusterLease.Keeper<R>> | undefined
  readonly escalation?: Escalation.Escalation | undefined
  readonly timeToLive?: Duration.Input | undefined
}

/**
 * The settings of Effect's cluster engine, such as the address of a runner.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Sharded = Partial<ShardingConfig.ShardingConfig["Service"]>

/** The services of the engine. */
type Engine = Sharding | Runners | MessageStorage

/**
 * Runs the threads of a group in this process, on an engine that the program has already. The layer of the handlers is the
 * one that a worker pool takes.
 *
 * When the layer's scope closes, the runner takes no more threads, and ends its threads by the escalation, with the reason
 * `Shutdown`.
 *
 * Dies with `InvalidOption` for a group with streams or middleware.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerOn = <Rpcs extends Rpc.Any, R = never>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: Options<R> = {}
): Layer.Layer<never, ClusterError.ClusterError, OnEngine<Rpcs> | R> => on(group, options, "address")

type OnEngine<Rpcs extends Rpc.Any> = Rpc.ToHandler<Rpcs> | Sharding | ShardingConfig.ShardingConfig | ClusterStore

const on = <Rpcs extends Rpc.Any, R = never>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: Options<R>,
  where: Runner.Where
): Layer.Layer<never, ClusterError.ClusterError, OnEngine<Rpcs> | R> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const wires = yield* wiresOf(group)
      const store = yield* ClusterStore
      const runner = yield* Runner.identify(where)
      const context = yield* Effect.context<R>()
      const own = (options.keepers ?? []).map((keeper) => keeper["~@quiesce/cluster/Keeper"](context))
      const keepers = new Keepers(store, runner.incarnation, own, context)
      const bodies = yield* Bodies.make(group, ({ id, token }) => ({ id, token, store, keepers }))
      yield* Runner.make({
        store,
        runner,
        keepers,
        bodies,
        wires,
        escalation: options.escalation ?? defaultEscalation,
        timeToLive: options.timeToLive ?? "35 seconds",
        shutdown: CancelReason.shutdown({ message: "The runner shuts down" })
      })
    })
  )

/**
 * A runner of a cluster with several processes, in one layer: the engine with its socket server, and the threads of the
 * group. Give each runner an address that the others and the clients can reach.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = <Rpcs extends Rpc.Any, R = never>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: Options<R> & { readonly sharding?: Sharded | undefined } = {}
): Layer.Layer<
  Engine,
  ClusterError.ClusterError | SocketServerError | ConfigError,
  Rpc.ToHandler<Rpcs> | R | ClusterStore | SqlClient
> => on(group, options, "address").pipe(Layer.provideMerge(Engines.runner(options.sharding)))

/**
 * A runner and its client in one process, without a server: `ClusterThreads.make` in the same process starts threads here.
 * The rows of the threads are in the store, so that a next process knows the threads of this one as lost.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const embedded = <Rpcs extends Rpc.Any, R = never>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: Options<R> & { readonly sharding?: Sharded | undefined } = {}
): Layer.Layer<Engine, ClusterError.ClusterError | ConfigError, Rpc.ToHandler<Rpcs> | R | ClusterStore> =>
  on(group, options, "process").pipe(Layer.provideMerge(Engines.embedded(options.sharding)))

/** The engine of a process that only starts threads, for `ClusterThreads.make`. */
export const client = (
  options: { readonly sharding?: Sharded | undefined } = {}
): Layer.Layer<Engine, ConfigError, SqlClient> => Engines.client(options.sharding)

/** A group with streams or with middleware is refused, because a runner would run neither as the group says. */
const wiresOf = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>
): Effect.Effect<ReadonlyMap<string, Outcome.TaskWire>> =>
  Effect.suspend(() => {
    const wires = new Map<string, Outcome.TaskWire>()
    for (const [task, value] of group.requests) {
      // Every Rpc has its schemas; the group's type only forgets them.
      const rpc = value as unknown as Rpc.AnyWithProps
      const problem = problemOf(rpc)
      if (problem !== undefined)
        return Effect.die(ClusterError.make({ _tag: "InvalidOption", option: "group", problem }))
      wires.set(task, Outcome.of(rpc))
    }
    return Effect.succeed(wires)
  })

const problemOf = (rpc: Rpc.AnyWithProps): string | undefined => {
  const task = JSON.stringify(rpc._tag)
  if (RpcSchema.isStreamSchema(rpc.successSchema)) {
    return `the task ${task} gives a stream, and a thread of a cluster has one result. Leave the task out with group.omit.`
  }
  if (rpc.middlewares.size > 0) {
    return `the task ${task} has middleware, which a runner does not run. Check the caller in the handler, and leave the middleware out.`
  }
  return undefined
}
