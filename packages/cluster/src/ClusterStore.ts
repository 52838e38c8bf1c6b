/**
 * The store of a cluster: the database in which the threads, their tokens and their leases have rows. All runners and
 * clients of a cluster use one store. Effect's own cluster engine keeps its shards there, too.
 *
 * @since 0.1.0
 */
import { readOr } from "@quiesce/core/internal"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SqlClient } from "effect/sql/SqlClient"
import type * as ClusterError from "./ClusterError.ts"
import { wrongArgument } from "./internal/wrongArgument.ts"
import * as SqliteClient from "./internal/store/sqliteClient.ts"
import * as ThreadStore from "./internal/store/threadStore.ts"

const Base: Context.ServiceClass<ClusterStore, "@quiesce/cluster/ClusterStore", ThreadStore.ThreadStore> =
  Context.Service<ClusterStore, ThreadStore.ThreadStore>()("@quiesce/cluster/ClusterStore")

/**
 * The store as a service.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class ClusterStore extends Base {}

/**
 * The store in a database that the program has a client for already, of SQLite or PostgreSQL, such as that of
 * `@effect/sql-pg`. The tables have names with the prefix `quiesce_`, and are made if they are missing.
 *
 * Fails with `StoreUnavailable`, or with `WrongVersion` for a store of another version.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const fromSqlClient: Layer.Layer<ClusterStore, ClusterError.ClusterError, SqlClient> = Layer.effect(
  ClusterStore,
  ThreadStore.open
)

/**
 * The store in one SQLite file, by Node's own `node:sqlite`. Several processes of one machine can use the file. A relative
 * name is relative to the working directory. The file is made if it is missing.
 *
 * A statement waits for another process's lock for 5 seconds at most, and does not block the event loop. A store in a file
 * survives the death of a process; the last rows may be lost when the machine loses its power.
 *
 * Dies with `InvalidOption` for an empty name.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const sqlite = (options: {
  readonly filename: string
}): Layer.Layer<ClusterStore | SqlClient, ClusterError.ClusterError> => {
  const filename = readOr(() => options.filename, undefined)
  if (filename === "") return Layer.effectContext(Effect.die(emptyName))
  return typeof filename === "string" ? inFile(filename) : Layer.effectContext(Effect.die(withoutFile(options)))
}

const withoutFile = (options: unknown): ClusterError.ClusterError =>
  wrongArgument(
    "ClusterStore.sqlite's options",
    options,
    'options with the name of a file, such as { filename: "cluster.db" }'
  )

/** SQLite takes an empty name for a temporary database of this process alone. */
const emptyName = wrongArgument(
  "filename",
  "",
  'the name of a file. Give one such as "cluster.db", which all processes of the cluster open'
)

const inFile = (filename: string): Layer.Layer<ClusterStore | SqlClient, ClusterError.ClusterError> =>
  fromSqlClient.pipe(
    Layer.provideMerge(
      SqliteClient.layer(filename).pipe(
        Layer.catchTag("SqlError", (error) =>
          Layer.effectContext(ThreadStore.unavailable(`open the file ${filename}`)(error))
        )
      )
    )
  )
