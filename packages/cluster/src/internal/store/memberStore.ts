/**
 * The rows of the members of a cluster: the runners, and the callers that have threads. A member renews its row. A member
 * with an expired row is dead, frozen, or cut off from the store.
 */
import * as Effect from "effect/Effect"
import type { ClusterError } from "../../ClusterError.ts"
import type { ThreadStore } from "./threadStore.ts"

export interface Member {
  readonly id: string
  readonly kind: "runner" | "caller"
  readonly address: string | null
}

/** Enters a member, or renews its row for so many milliseconds. */
export const renew = (store: ThreadStore, member: Member, millis: number): Effect.Effect<void, ClusterError> => {
  const { now, sql } = store
  const renewed = sql`INSERT INTO quiesce_members (id, kind, address, until)
    VALUES (${member.id}, ${member.kind}, ${member.address}, ${now} + ${millis})
    ON CONFLICT (id) DO UPDATE SET until = ${now} + ${millis}`
  return Effect.asVoid(store.ask("renew a member", renewed))
}

/** Removes a leaving or dead member. */
export const remove = (store: ThreadStore, id: string): Effect.Effect<void, ClusterError> =>
  Effect.asVoid(store.ask("remove a member", store.sql`DELETE FROM quiesce_members WHERE id = ${id}`))

/** Removes the members with rows that expired at least so many milliseconds ago. */
export const forget = (store: ThreadStore, millis: number): Effect.Effect<void, ClusterError> => {
  const { now, sql } = store
  const removed = sql`DELETE FROM quiesce_members WHERE until < ${now} - ${millis}`
  return Effect.asVoid(store.ask("forget members", removed))
}

/** The members of a kind with rows that have not expired. */
export const live = (store: ThreadStore, kind: Member["kind"]): Effect.Effect<ReadonlyArray<Member>, ClusterError> => {
  const { now, sql } = store
  return store.ask(
    "read its members",
    sql<Member>`SELECT id, kind, address FROM quiesce_members WHERE kind = ${kind} AND until > ${now}`
  )
}

/** The members with these ids that have a row, and the times until which their rows are valid, in milliseconds. */
export const rows = (
  store: ThreadStore,
  ids: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Pick<Member, "id" | "address"> & { readonly until: number }>, ClusterError> => {
  const { sql } = store
  // Postgres gives a BIGINT as text.
  const found = sql<Pick<Member, "id" | "address"> & { readonly until: number | string }>`SELECT id, address, until
    FROM quiesce_members WHERE ${sql.in("id", ids)}`
  return Effect.map(store.ask("look for members", found), (members) =>
    members.map((member) => ({ ...member, until: Number(member.until) }))
  )
}

/** The runners that have running threads and no row that is valid, and so won't end the threads. */
export const lostRunners = (
  store: ThreadStore
): Effect.Effect<ReadonlyArray<Pick<Member, "id" | "address">>, ClusterError> => {
  const { now, sql } = store
  return store.ask(
    "look for lost runners",
    sql<Pick<Member, "id" | "address">>`SELECT DISTINCT runner AS id,
      (SELECT address FROM quiesce_members WHERE id = quiesce_threads.runner) AS address
      FROM quiesce_threads WHERE state = 'running'
      AND NOT EXISTS (SELECT 1 FROM quiesce_members WHERE id = quiesce_threads.runner AND until > ${now})`
  )
}
