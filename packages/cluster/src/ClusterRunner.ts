/**
 * A runner: a process that runs threads of a cluster.
 *
 * @since 0.1.0
 */
import type * as WorkerPool from "@quiesce/worker-threads/WorkerPool"
import type * as Escalation from "@quiesce/core/Escalation"
import { readOr } from "@quiesce/core/internal"
import type { ConfigError } from "effect/Config"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { MessageStorage } from "effect/cluster/MessageStorage"
import type { Runners } from "effect/cluster/Runners"
import type { Sharding } from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import type * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import * as ClusterError from "./ClusterError.ts"
import { ClusterStore } from "./ClusterStore.ts"
import type * as ClusterLease from "./ClusterLease.ts"
import { defaultEscalation } from "./ClusterThreads.ts"
import type { Bodies } from "./internal/runner/bodies.ts"
import * as FiberBodies from "./internal/runner/fiberBodies.ts"
import * as PoolBodies from "./internal/runner/poolBodies.ts"
import * as Watchdog from "./internal/watch/watchdog.ts"
import { escalationOf, limitOf } from "./internal/limit.ts"
import { checkedOptions, wrongArgument } from "./internal/wrongArgument.ts"
import { Keepers } from "./internal/lease/keepers.ts"
import * as Engines from "./internal/engine.ts"
import * as Runner from "./internal/runner/runner.ts"
import * as Group from "./internal/wire/group.ts"

/**
 * Options of a runner.
 *
 * - `pool`: runs the bodies in a worker pool, with these options. A busy body then delays neither the runner nor its other
 *   threads, and can be ended. Without it, the bodies run on fibers of this process
 * - `keepers`: the keepers of the leases that outlive a machine, also of those of other runners' threads
 * - `escalation`: how a thread ends when it can't stay at this runner. Its graces have to fit into the engine's
 *   `entityTerminationTimeout` (15 seconds)
 * - `timeToLive`: how long this runner may be silent before others take its threads for lost (default: 35 seconds, as the
 *   engine's locks). An absence of the store does not count, unless this is less than 3 seconds
 * - `sharding`: the settings of Effect's cluster engine, such as the address of this runner
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly pool?: WorkerPool.Options | undefined
  readonly keepers?: ReadonlyArray<ClusterLease.Keeper<unknown>> | undefined
  readonly escalation?: Escalation.Escalation | undefined
  readonly timeToLive?: Duration.Input | undefined
  readonly sharding?: Sharded | undefined
}

/**
 * The settings of Effect's cluster engine.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Sharded = Partial<ShardingConfig.ShardingConfig["Service"]>

/** The services of the engine. */
type Engine = Sharding | Runners | MessageStorage

/** The handlers of the group, which a pool has in its workers, and the services of the keepers. */
type Needs<Rpcs extends Rpc.Any, O> =
  | (O extends { readonly pool: WorkerPool.Options } ? never : Rpc.ToHandler<Rpcs>)
  | (O extends { readonly keepers: ReadonlyArray<ClusterLease.Keeper<infer R>> } ? R : never)

/** Options without any. */
type NoOptions = {}

/**
 * Runs the threads of a group in this process, on an engine that the program has already. The layer of the handlers is the
 * one that a worker pool takes.
 *
 * When the layer's scope closes, the runner takes no more threads, and ends its threads by the escalation, with the reason
 * `Shutdown`.
 *
 * The process goes on if its event loop is blocked, also after others have taken its threads for lost: `layer` has a watchdog
 * against that, and this layer has none.
 *
 * Dies with `InvalidOption` for a group with streams or middleware, for two keepers of one name, for limits that are no
 * durations, and for a second group on one engine.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerOn = <Rpcs extends Rpc.Any, const O extends Options = NoOptions>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options?: O & Options
): Layer.Layer<
  never,
  ClusterError.ClusterError,
  Needs<Rpcs, O> | Sharding | ShardingConfig.ShardingConfig | ClusterStore
> => on(group, options ?? {}, "address")

/**
 * A runner of a cluster with several processes, in one layer: the engine with its socket server, and the threads of the
 * group. Give each runner an address of its own that the others and the clients can reach. A runner that starts again at an
 * address fences the threads of the former process there.
 *
 * If the event loop is blocked for too long, the runner ends its process by SIGKILL, because other runners are about to take
 * its threads for lost. The limit is four fifths of `timeToLive`, or of the time that the engine's locks surely last without
 * this process (`shardLockExpiration` less `shardLockRefreshInterval`), whichever is shorter: 20 seconds by default.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = <Rpcs extends Rpc.Any, const O extends Options = NoOptions>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options?: O & Options
): Layer.Layer<Engine, ClusterError.ClusterError | ConfigError, Needs<Rpcs, O> | ClusterStore | SqlClient> => {
  const given: Options = options ?? {}
  const watchdog = Effect.flatMap(timeToLiveOf(given), (millis) =>
    Effect.flatMap(ShardingConfig.ShardingConfig, (engine) => Watchdog.watch(Watchdog.limitOf(millis, engine)))
  )
  return Layer.mergeAll(on<Rpcs, O>(group, given, "port"), Layer.effectDiscard(watchdog)).pipe(
    Layer.provideMerge(Engines.runner(given.sharding))
  )
}

/**
 * A runner and its client in one process, without a server: `ClusterThreads.make` in the same process starts threads here.
 * The rows of the threads are in the store, so that a next process knows the threads of this one as lost.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const embedded = <Rpcs extends Rpc.Any, const O extends Options = NoOptions>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options?: O & Options
): Layer.Layer<Engine, ClusterError.ClusterError | ConfigError, Needs<Rpcs, O> | ClusterStore> =>
  on<Rpcs, O>(group, options ?? {}, "process").pipe(Layer.provideMerge(Engines.embedded(options?.sharding)))

/**
 * The engine of a process that only starts threads, for `ClusterThreads.make`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const client = (
  options: { readonly sharding?: Sharded | undefined } = {}
): Layer.Layer<Engine, ConfigError, SqlClient> =>
  Layer.unwrap(Effect.map(checkedOptions("ClusterRunner.client", options), () => Engines.client(options.sharding)))

const on = <Rpcs extends Rpc.Any, O>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: Options,
  where: Runner.Where
): Layer.Layer<
  never,
  ClusterError.ClusterError,
  Needs<Rpcs, O> | Sharding | ShardingConfig.ShardingConfig | ClusterStore
> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const wires = yield* Group.wiresOf(group)
      const timeToLive = yield* timeToLiveOf(options)
      const escalation = yield* escalationOf(options.escalation ?? defaultEscalation)
      const store = yield* ClusterStore
      const runner = yield* Runner.identify(where)
      const context = yield* Effect.context<Needs<Rpcs, O>>()
      // The types of the options have checked that the services of the keepers are there.
      const services = context as Context.Context<unknown>
      const own = (yield* keepersOf(options)).map((keeper) => keeper["~@quiesce/cluster/Keeper"](services))
      yield* differ(own)
      const keepers = new Keepers(store, runner.incarnation, own, context)
      const bodies = yield* bodiesOf(group, options, ({ id, token }) => ({ id, token, store, keepers }))
      yield* Runner.make({
        store,
        runner,
        where,
        keepers,
        bodies,
        wires,
        escalation,
        timeToLive
      })
    })
  ) as Layer.Layer<
    never,
    ClusterError.ClusterError,
    Needs<Rpcs, O> | Sharding | ShardingConfig.ShardingConfig | ClusterStore
  >

/** Dies with `InvalidOption` for a value that is no list of keepers. */
const keepersOf = ({ keepers = [] }: Options): Effect.Effect<ReadonlyArray<ClusterLease.Keeper<unknown>>> => {
  if (!readOr(() => Array.isArray(keepers), false)) return wrongKeepers(keepers, "an array of keepers")
  const index = Array.from(keepers).findIndex((keeper) => !isKeeper(keeper))
  return index === -1
    ? Effect.succeed(keepers)
    : wrongKeepers(keepers[index], "a keeper. Make one with ClusterLease.keeper(lease, { acquire, release })")
}

const wrongKeepers = (given: unknown, wanted: string): Effect.Effect<never> =>
  Effect.die(wrongArgument("keepers", given, wanted))

const isKeeper = (keeper: ClusterLease.Keeper<unknown>): boolean =>
  readOr(() => typeof keeper["~@quiesce/cluster/Keeper"] === "function", false)

/** The runner would release the leases of two keepers with one name by the second keeper. */
const differ = (keepers: ReadonlyArray<{ readonly name: string }>): Effect.Effect<void> => {
  const names = keepers.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice === undefined) return Effect.void
  const problem = `two keepers are for the lease ${JSON.stringify(twice)}. Give each kind of lease a name of its own.`
  return Effect.die(ClusterError.make({ _tag: "InvalidOption", option: "keepers", problem }))
}

const bodiesOf = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  { pool }: Options,
  serviceOf: Parameters<typeof FiberBodies.make<Rpcs>>[1]
): Effect.Effect<Bodies, ClusterError.ClusterError, Rpc.ToHandler<Rpcs> | Scope.Scope> =>
  pool === undefined
    ? FiberBodies.make(group, serviceOf)
    : Effect.mapError(PoolBodies.make(group, pool, serviceOf), ({ message }) =>
        ClusterError.make({ _tag: "PoolFailed", problem: message })
      )

/** In milliseconds. */
const timeToLiveOf = ({ timeToLive = "35 seconds" }: Options): Effect.Effect<number> =>
  limitOf("timeToLive", timeToLive)
