/**
 * Checked writes. A thread that was killed may still run: its machine may be frozen or cut off. After the kill, no checked
 * write of the thread succeeds.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import * as ClusterError from "./ClusterError.ts"
import { type ClusterThread, CurrentClusterThread } from "./internal/lease/currentClusterThread.ts"

/**
 * The id and the token of the current thread, for a system that checks tokens itself: it has to refuse a token that is
 * lower than the highest token of the id so far.
 *
 * Dies with `NotInThread` outside a thread of a cluster, and in a worker.
 *
 * @stability unstable
 * @category accessing
 * @since 0.1.0
 */
export const token: Effect.Effect<{ readonly id: string; readonly token: number }> = Effect.suspend(() =>
  Effect.map(current("Fence.token"), ({ id, token: own }) => ({ id, token: own }))
)

/**
 * Runs statements in one transaction with a check of the current thread's token. After a kill of the thread it fails with
 * `FencedOff`, and none of the statements counts. The statements have to go through the `SqlClient` of the cluster's store.
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
  Effect.flatMap(current("Fence.check"), ({ id, store, token: own }): Effect.Effect<A, Failed<E> | SqlError, R> => {
    const { sql } = store
    // The update locks the row until the end of the transaction, so that a kill comes before or after all statements.
    const touched = sql`UPDATE quiesce_threads SET changed = changed
      WHERE id = ${id} AND token = ${own} AND state = 'running' RETURNING id`
    const checked = Effect.flatMap(store.ask("check a token", touched), (rows): Effect.Effect<A, Failed<E>, R> =>
      rows.length > 0 ? statements : Effect.fail(ClusterError.make({ _tag: "FencedOff", thread: id, token: own }))
    )
    return sql.withTransaction(checked)
  })

type Failed<E> = E | ClusterError.ClusterError

const current = (operation: string): Effect.Effect<ClusterThread> =>
  Effect.withFiber((fiber) => {
    const thread = Context.getOrUndefined(fiber.context, CurrentClusterThread)
    return thread === undefined
      ? Effect.die(ClusterError.make({ _tag: "NotInThread", operation }))
      : Effect.succeed(thread)
  })
