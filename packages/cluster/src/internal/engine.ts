/**
 * The layers of Effect's cluster engine. The messages of this package are volatile, so the engine stores none; its shards
 * and their locks are in the store.
 */
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import type { ConfigError } from "effect/Config"
import * as Layer from "effect/Layer"
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as Runners from "effect/cluster/Runners"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Sharding from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SqlRunnerStorage from "effect/cluster/SqlRunnerStorage"
import type { SocketServerError } from "effect/socket/SocketServer"
import type { SqlClient } from "effect/sql/SqlClient"

type Settings = Partial<ShardingConfig.ShardingConfig["Service"]> | undefined

type Services =
  | Sharding.Sharding
  | Runners.Runners
  | MessageStorage.MessageStorage
  | RunnerStorage.RunnerStorage
  | ShardingConfig.ShardingConfig

const storage = (settings: Settings) =>
  Layer.mergeAll(MessageStorage.layerNoop, Layer.orDie(SqlRunnerStorage.layer)).pipe(
    Layer.provideMerge(ShardingConfig.layerFromEnv(settings))
  )

/** With a socket server. */
export const runner = (settings: Settings): Layer.Layer<Services, ConfigError | SocketServerError, SqlClient> =>
  NodeClusterSocket.layer({ storage: "byo", shardingConfig: settings }).pipe(Layer.provideMerge(storage(settings)))

/** Without one. */
export const client = (settings: Settings): Layer.Layer<Services, ConfigError, SqlClient> =>
  NodeClusterSocket.layer({ storage: "byo", clientOnly: true, shardingConfig: settings }).pipe(
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
