/**
 * Checked writes. A thread that was killed may still run: its machine may be frozen or cut off. After the kill, no checked
 * write of the thread succeeds.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as ClusterError from "./ClusterError.ts"
import { wrongArgument } from "./internal/wrongArgument.ts"
import { CurrentClusterThread } from "./internal/lease/currentClusterThread.ts"
import * as PoolLeases from "./internal/lease/poolLeases.ts"
import { unavailable } from "./internal/store/threadStore.ts"

/**
 * The id and the token of the current thread, for a system that checks tokens itself: it has to refuse a token that is
 * lower than the highest token of the id so far.
 *
 * Dies with `NotInThread` outside a thread of a cluster.
 *
 * @stability unstable
 * @category accessing
 * @since 0.1.0
 */
export const token: Effect.Effect<{ readonly id: string; readonly token: number }, ClusterError.ClusterError> =
  Effect.suspend(() => Effect.map(current("Fence.token"), ({ id, token: own }) => ({ id, token: own })))

/**
 * Runs statements in one transaction with a check of the current thread's token. After a kill of the thread it fails with
 * `FencedOff`, and none of the statements counts. The statements have to go through the `SqlClient` of the cluster's store. In
 * a worker of a pool, the handlers have a client of their own for the same database, such as by `ClusterStore.sqlite`; without
 * one it dies with `NoSqlClient`.
 *
 * ```ts
 * yield* Fence.check(sql`UPDATE jobs SET size = ${size} WHERE path = ${path}`)
 * ```
 *
 * *Cancellation*: the transaction is rolled back.
 *
 * @stability unstable
 * @category combinators
 * @since 0.1.0
 */
export const check = <A, E, R>(
  statements: Effect.Effect<A, E, R>
): Effect.Effect<A, E | SqlError | ClusterError.ClusterError, R> =>
  Effect.flatMap(current("Fence.check"), ({ id, sql, token: own }): Effect.Effect<A, Failed<E> | SqlError, R> => {
    if (!Effect.isEffect(statements))
      return Effect.die(wrongArgument("Fence.check's statements", statements, "an Effect"))
    if (sql === undefined) return Effect.die(ClusterError.make({ _tag: "NoSqlClient", operation: "Fence.check" }))
    // The update locks the row until the end of the transaction, so that a kill comes before or after all statements.
    const touched = sql`UPDATE quiesce_threads SET changed = changed
      WHERE id = ${id} AND token = ${own} AND state = 'running' RETURNING id`
    const asked = Effect.mapError(touched, unavailable("check a token"))
    const checked = Effect.flatMap(asked, (rows): Effect.Effect<A, Failed<E>, R> =>
      rows.length > 0 ? statements : Effect.fail(ClusterError.make({ _tag: "FencedOff", thread: id, token: own }))
    )
    return sql.withTransaction(checked)
  })

type Failed<E> = E | ClusterError.ClusterError

/** The current thread, and the client of the database in which its row is. */
interface Current {
  readonly id: string
  readonly token: number
  readonly sql: SqlClient | undefined
}

const current = (operation: string): Effect.Effect<Current, ClusterError.ClusterError> =>
  Effect.withFiber((fiber) => {
    const thread = Context.getOrUndefined(fiber.context, CurrentClusterThread)
    if (thread !== undefined) return Effect.succeed({ id: thread.id, token: thread.token, sql: thread.store.sql })
    const sql = Context.getOrUndefined(fiber.context, SqlClient)
    return Effect.map(PoolLeases.identity(operation), (own) => ({ ...own, sql }))
  })
