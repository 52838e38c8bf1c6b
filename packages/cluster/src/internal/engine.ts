/**
 * The layers of Effect's cluster engine. The messages of this package are volatile, so the engine stores none; its shards
 * and their locks are in the store.
 *
 * The sockets send each message at once. With the delay of TCP for small messages, which Effect's own layers have, a message
 * after another waits for 40 ms, and a thread takes some 180 ms in place of 2.
 */
import { messageOf } from "@quiesce/core/internal"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import type { ConfigError } from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as Runners from "effect/cluster/Runners"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Sharding from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SocketRunner from "effect/cluster/SocketRunner"
import * as SqlRunnerStorage from "effect/cluster/SqlRunnerStorage"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import { Socket } from "effect/socket/Socket"
import type { SocketServer } from "effect/socket/SocketServer"
import { SqlClient } from "effect/sql/SqlClient"
import * as ClusterError from "../ClusterError.ts"
import { endWithin } from "./endWithin.ts"
import { TableLocks } from "./watch/lostRunner.ts"

type Settings = Partial<ShardingConfig.ShardingConfig["Service"]> | undefined

type Services =
  | Sharding.Sharding
  | Runners.Runners
  | MessageStorage.MessageStorage
  | RunnerStorage.RunnerStorage
  | ShardingConfig.ShardingConfig

/** On PostgreSQL the engine's locks are those of its session. */
const tableLocks = Layer.effect(
  TableLocks,
  Effect.map(SqlClient, (sql) => sql.onDialectOrElse({ sqlite: () => true, orElse: () => false }))
)

const storage = (settings: Settings) =>
  Layer.mergeAll(MessageStorage.layerNoop, Layer.orDie(SqlRunnerStorage.layer), tableLocks).pipe(
    Layer.provideMerge(ShardingConfig.layerFromEnv(settings))
  )

/** As the engine's own, but for the delay. The timeouts are in milliseconds. */
const clientProtocol = Layer.effect(
  Runners.RpcClientProtocol,
  Effect.map(RpcSerialization.RpcSerialization, (serialization) => ({
    codecFor: serialization.codecFor,
    make: ({ host, port }) =>
      NodeSocket.makeNet({ openTimeout: 1000, timeout: 5500, host, port, noDelay: true }).pipe(
        Effect.flatMap((socket) => Effect.provideService(RpcClient.makeProtocolSocket(), Socket, socket)),
        Effect.provideService(RpcSerialization.RpcSerialization, serialization)
      )
  }))
)

const socketServer: Layer.Layer<SocketServer, ClusterError.ClusterError, ShardingConfig.ShardingConfig> = Layer.unwrap(
  Effect.map(ShardingConfig.ShardingConfig, ({ runnerAddress, runnerListenAddress }) =>
    Option.match(
      Option.orElse(runnerListenAddress, () => runnerAddress),
      {
        // The runner itself refuses to run without an address.
        onNone: () => Layer.empty as never,
        onSome: ({ host, port }) =>
          Layer.catchTag(NodeSocketServer.layer({ host, port, noDelay: true }), "SocketServerError", ({ cause }) =>
            Layer.effectContext(notListening(`${host}:${port}`, cause))
          )
      }
    )
  )
)

const notListening = (address: string, cause: unknown): Effect.Effect<never, ClusterError.ClusterError> =>
  Effect.fail(ClusterError.make({ _tag: "NotListening", address, problem: messageOf(cause) }))

/** The engine waits for its entities first. The threads have ended before. */
const bounded = endWithin((services: Context.Context<Services>) => {
  const { entityTerminationTimeout } = Context.get(services, ShardingConfig.ShardingConfig)
  return Duration.sum(Duration.fromInputUnsafe(entityTerminationTimeout), Duration.seconds(5))
})

/** With a socket server. */
export const runner = (settings: Settings): Layer.Layer<Services, ConfigError | ClusterError.ClusterError, SqlClient> =>
  SocketRunner.layer.pipe(
    Layer.provide(RunnerHealth.layerPing.pipe(Layer.provide(Runners.layerRpc))),
    Layer.provide(Layer.merge(socketServer, clientProtocol)),
    Layer.provide(RpcSerialization.layerSchemaBinary()),
    Layer.provideMerge(storage(settings)),
    bounded
  )

/** Without one. */
export const client = (settings: Settings): Layer.Layer<Services, ConfigError, SqlClient> =>
  SocketRunner.layerClientOnly.pipe(
    Layer.provide(clientProtocol),
    Layer.provide(RpcSerialization.layerSchemaBinary()),
    Layer.provideMerge(storage(settings))
  )

/** All in this process. */
export const embedded = (settings: Settings): Layer.Layer<Services, ConfigError> =>
  Sharding.layer.pipe(
    Layer.provideMerge(Runners.layerNoop),
    Layer.provideMerge(Layer.mergeAll(MessageStorage.layerNoop, RunnerStorage.layerMemory)),
    Layer.provide(RunnerHealth.layerNoop),
    Layer.provideMerge(ShardingConfig.layerFromEnv(settings))
  )
