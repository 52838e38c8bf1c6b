/**
 * The rows of leases that outlive their machine. A row is written before the resource is acquired, and deleted after the
 * resource is released, so that no resource is ever without a row. A runner that finds the row of a thread that no longer
 * runs releases the resource.
 */
import * as Effect from "effect/Effect"
import type { ClusterError } from "../../ClusterError.ts"
import type { ThreadStore } from "./threadStore.ts"

/** `payload` and `value` are JSON. `value` is null until the resource has been acquired. */
export interface LeaseRow {
  readonly id: string
  readonly thread: string
  readonly name: string
  readonly payload: string
  readonly value: string | null
  readonly attempts: number
}

export interface Entry {
  readonly id: string
  readonly thread: string
  readonly token: number
  readonly name: string
  readonly payload: string
}

/** Enters a lease. False if the thread no longer runs with this token. */
export const enter = (store: ThreadStore, entry: Entry): Effect.Effect<boolean, ClusterError> => {
  const { sql } = store
  const { id, name, payload, thread, token } = entry
  const entered = sql`INSERT INTO quiesce_leases (id, thread, token, name, payload, reaper_until, attempts)
    SELECT ${id}, ${thread}, ${token}, ${name}, ${payload}, 0, 0 FROM quiesce_threads
    WHERE id = ${thread} AND token = ${token} AND state = 'running' RETURNING id`
  return Effect.map(store.ask("enter a lease", entered), (rows) => rows.length > 0)
}

/**
 * Notes the value of an acquired resource. False if the thread no longer runs with this token. The row is entered again if
 * a runner has released the resource before it was acquired, because this machine was frozen meanwhile.
 */
export const acquired = (store: ThreadStore, entry: Entry, value: string): Effect.Effect<boolean, ClusterError> => {
  const { sql } = store
  const { id, name, payload, thread, token } = entry
  const noted = sql<{ readonly count: number }>`INSERT INTO quiesce_leases
    (id, thread, token, name, payload, value, reaper_until, attempts)
    VALUES (${id}, ${thread}, ${token}, ${name}, ${payload}, ${value}, 0, 0)
    ON CONFLICT (id) DO UPDATE SET value = ${value}
    RETURNING (SELECT COUNT(*) FROM quiesce_threads
      WHERE quiesce_threads.id = ${thread} AND quiesce_threads.token = ${token} AND state = 'running') AS count`
  return Effect.map(store.ask("note an acquired lease", noted), ([row]) => Number(row?.count) > 0)
}

export const remove = (store: ThreadStore, id: string): Effect.Effect<void, ClusterError> =>
  Effect.asVoid(store.ask("remove a lease", store.sql`DELETE FROM quiesce_leases WHERE id = ${id}`))

/** No token of a thread. The lease belongs to no running thread any more. */
const noToken = 0

/** Leaves a lease to the runners, while its thread goes on. */
export const leave = (store: ThreadStore, id: string): Effect.Effect<void, ClusterError> =>
  Effect.asVoid(
    store.ask("leave a lease to the runners", store.sql`UPDATE quiesce_leases SET token = ${noToken} WHERE id = ${id}`)
  )

/** Removes a lease whose resource was released as the row said. A row that has changed since stays. */
export const removeReleased = (store: ThreadStore, { id, value }: LeaseRow): Effect.Effect<void, ClusterError> => {
  const removed = store.sql`DELETE FROM quiesce_leases WHERE id = ${id} AND value IS NOT DISTINCT FROM ${value}`
  return Effect.asVoid(store.ask("remove a lease", removed))
}

/** The names of the leases of a thread, one for each row. A thread that has released all leases has none. */
export const namesOf = (store: ThreadStore, thread: string): Effect.Effect<ReadonlyArray<string>, ClusterError> => {
  const found = store.sql<Pick<LeaseRow, "name">>`SELECT name FROM quiesce_leases WHERE thread = ${thread}`
  return Effect.map(store.ask("look for the leases of a thread", found), (rows) => rows.map(({ name }) => name))
}

/** As many leases are taken at once, so that several runners share them. */
export const batch = 16

/**
 * Takes leases of threads that no longer run. For so many milliseconds no other runner takes them. Two statements.
 */
export const reap = (
  store: ThreadStore,
  names: ReadonlyArray<string>,
  runner: string,
  millis: number
): Effect.Effect<ReadonlyArray<LeaseRow>, ClusterError> => {
  const { now, sql } = store
  const left = sql<{ readonly id: string }>`SELECT id FROM quiesce_leases WHERE ${sql.in("name", names)}
    AND reaper_until < ${now} AND NOT EXISTS (
      SELECT 1 FROM quiesce_threads WHERE quiesce_threads.id = quiesce_leases.thread
      AND quiesce_threads.token = quiesce_leases.token AND quiesce_threads.state = 'running'
    ) LIMIT ${batch}`
  return Effect.flatMap(store.ask("look for leases without a thread", left), (found) => {
    if (found.length === 0) return Effect.succeed([])
    const ids = found.map(({ id }) => id)
    return store.ask(
      "take leases without a thread",
      sql<LeaseRow>`UPDATE quiesce_leases SET reaper = ${runner}, reaper_until = ${now} + ${millis},
        attempts = attempts + 1 WHERE ${sql.in("id", ids)} AND reaper_until < ${now}
        RETURNING id, thread, name, payload, value, attempts`
    )
  })
}

/** Gives a lease back after a failed release. A runner tries again after so many milliseconds. */
export const giveBack = (store: ThreadStore, id: string, millis: number): Effect.Effect<void, ClusterError> => {
  const { now, sql } = store
  const given = sql`UPDATE quiesce_leases SET reaper = NULL, reaper_until = ${now} + ${millis} WHERE id = ${id}`
  return Effect.asVoid(store.ask("give a lease back", given))
}
