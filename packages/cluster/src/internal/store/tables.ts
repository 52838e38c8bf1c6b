/**
 * The tables of the store. Each has the prefix `quiesce_`, so that the store can share a database with Effect's cluster and
 * with an application.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as ClusterError from "../../ClusterError.ts"

/** The version of the tables. A store of another version is refused, because its rows could be misread. */
const version = 1

/** Makes the tables that are missing. Several processes may do so at once. */
export const prepare = (sql: SqlClient): Effect.Effect<void, SqlError | ClusterError.ClusterError> =>
  Effect.gen(function* () {
    yield* locked(
      sql,
      Effect.gen(function* () {
        for (const table of tables) yield* sql.unsafe(table)
        yield* sql`INSERT INTO quiesce_meta (id, version) VALUES (1, ${version}) ON CONFLICT (id) DO NOTHING`
      })
    )
    const [row] = yield* sql<{ readonly version: number }>`SELECT version FROM quiesce_meta WHERE id = 1`
    const found = Number(row?.version)
    if (found !== version) {
      return yield* Effect.fail(ClusterError.make({ _tag: "WrongVersion", found, expected: version }))
    }
  })

/** Two processes that make one table at once would collide in Postgres, which takes a lock of its own for that. */
const locked = <A, E>(sql: SqlClient, effect: Effect.Effect<A, E>): Effect.Effect<A, E | SqlError> =>
  sql.withTransaction(
    Effect.andThen(
      sql.onDialectOrElse({
        pg: () => Effect.asVoid(sql`SELECT pg_advisory_xact_lock(7166105)`),
        orElse: () => Effect.void
      }),
      effect
    )
  )

const tables = [
  `CREATE TABLE IF NOT EXISTS quiesce_meta (id INTEGER PRIMARY KEY, version INTEGER NOT NULL)`,
  // `token` rises with each kill: a write with an older token is refused.
  `CREATE TABLE IF NOT EXISTS quiesce_threads (
    id TEXT PRIMARY KEY,
    task TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    token BIGINT NOT NULL,
    runner TEXT,
    caller TEXT NOT NULL,
    reason TEXT,
    outcome TEXT,
    changed BIGINT NOT NULL
  )`,
  // A row is in two of the three at most: each further index would cost the start and the end of each thread.
  `CREATE INDEX IF NOT EXISTS quiesce_threads_running ON quiesce_threads (runner) WHERE state = 'running'`,
  `CREATE INDEX IF NOT EXISTS quiesce_threads_killed ON quiesce_threads (runner) WHERE state = 'killed'`,
  `CREATE INDEX IF NOT EXISTS quiesce_threads_over ON quiesce_threads (changed) WHERE state <> 'running'`,
  `CREATE TABLE IF NOT EXISTS quiesce_leases (
    id TEXT PRIMARY KEY,
    thread TEXT NOT NULL,
    token BIGINT NOT NULL,
    name TEXT NOT NULL,
    payload TEXT NOT NULL,
    value TEXT,
    reaper TEXT,
    reaper_until BIGINT NOT NULL,
    attempts INTEGER NOT NULL
  )`,
  `CREATE INDEX IF NOT EXISTS quiesce_leases_thread ON quiesce_leases (thread)`,
  `CREATE TABLE IF NOT EXISTS quiesce_members (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    address TEXT,
    until BIGINT NOT NULL
  )`
]
