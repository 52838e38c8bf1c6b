/**
 * The rows of the threads. A row makes "at most once" true: only the runner that inserts the row starts the
 * body. Its token makes a kill true: a kill raises the token, and each later step of the thread asks for its own token.
 *
 * The states: `running` -> `ended` or `killed`; and `cancelled`, for a thread that will never start.
 *
 * Times are milliseconds of the store's clock, because the clocks of the machines differ.
 */
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment, Statement } from "effect/sql/Statement"
import * as ClusterError from "../../ClusterError.ts"
import { batched } from "./batched.ts"
import * as Tables from "./tables.ts"

/** A thread that a runner wants to start. */
export interface Claim {
  readonly id: string
  readonly task: string
  readonly name: string
  readonly runner: string
  readonly caller: string
}

/** The row of a thread. */
export interface ThreadRow {
  readonly id: string
  readonly state: "cancelled" | "running" | "ended" | "killed"
  readonly token: number
  /** The runner that has started the thread. */
  readonly runner: string | null
  readonly caller: string
  /** The reason of a cancel or a kill, as JSON. */
  readonly reason: string | null
  /** The outcome of an ended thread, as JSON. */
  readonly outcome: string | null
}

/** The token of a newly claimed thread, or the row of an older thread. */
export type Claimed =
  | { readonly _tag: "Claimed"; readonly token: number }
  | { readonly _tag: "Known"; readonly row: ThreadRow }

type Failure = ClusterError.ClusterError

interface Id {
  readonly id: string
}

/** The outcome of a thread, as JSON. */
interface End extends Id {
  readonly token: number
  readonly outcome: string
}

/** Whether each of the items has a row. A thread is in one statement once. */
const among =
  (items: ReadonlyArray<Id>) =>
  (rows: ReadonlyArray<Id>): ReadonlyArray<boolean> => {
    const ids = new Set(rows.map(({ id }) => id))
    return items.map(({ id }) => ids.has(id))
  }

/** The token of the first start. */
const firstToken = 1

/** The store of a cluster. Each method is one statement unless it says otherwise. */
export class ThreadStore {
  readonly sql: SqlClient
  /** The milliseconds of the store's clock, in SQL. */
  readonly now: Fragment

  private readonly claimInTurn: (claim: Claim) => Effect.Effect<boolean, Failure>
  private readonly endInTurn: (end: End) => Effect.Effect<boolean, Failure>

  constructor(sql: SqlClient) {
    this.sql = sql
    this.claimInTurn = batched((claims) => this.claimAll(claims))
    this.endInTurn = batched((ends) => this.endAll(ends))
    this.now = sql.onDialectOrElse({
      pg: () => sql`(extract(epoch FROM clock_timestamp()) * 1000)::bigint`,
      orElse: () => sql`CAST(unixepoch('subsec') * 1000 AS INTEGER)`
    })
  }

  /** Shares its statement with the claims of the same turn. Another statement if the thread is known. */
  claim(claim: Claim): Effect.Effect<Claimed, Failure> {
    const known = Effect.flatMap(this.row(claim.id), (row) =>
      // The row was forgotten a moment ago.
      row === undefined ? this.claim(claim) : Effect.succeed<Claimed>({ _tag: "Known", row })
    )
    return Effect.flatMap(this.claimInTurn(claim), (isClaimed) =>
      isClaimed ? Effect.succeed<Claimed>({ _tag: "Claimed", token: firstToken }) : known
    )
  }

  private claimAll(claims: ReadonlyArray<Claim>): Effect.Effect<ReadonlyArray<boolean>, Failure> {
    const { now, sql } = this
    const given = this.given(claims.map(({ caller, id, name, runner, task }) => [id, task, name, runner, caller]))
    const inserted = sql<Id>`INSERT INTO quiesce_threads (id, task, name, state, token, runner, caller, changed)
      SELECT value->>0, value->>1, value->>2, 'running', ${firstToken}, value->>3, value->>4, ${now}
      FROM ${given} WHERE true ON CONFLICT (id) DO NOTHING RETURNING id`
    return Effect.map(this.ask("claim a thread", inserted), among(claims))
  }

  row(id: string): Effect.Effect<ThreadRow | undefined, Failure> {
    return Effect.map(this.rows([id]), ([row]) => row)
  }

  /** The rows of threads that have one. */
  rows(ids: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<ThreadRow>, Failure> {
    const { sql } = this
    // Postgres gives a BIGINT as text.
    const found = sql<
      Omit<ThreadRow, "token"> & { readonly token: number | string }
    >`SELECT id, state, token, runner, caller, reason, outcome
      FROM quiesce_threads WHERE ${sql.in("id", ids)}`
    return Effect.map(this.ask("read a thread", found), (rows) =>
      rows.map((row) => ({ ...row, token: Number(row.token) }))
    )
  }

  /** Whether the thread had the token, so that its outcome counts. Shares its statement with the ends of the same turn. */
  end(id: string, token: number, outcome: string): Effect.Effect<boolean, Failure> {
    return this.endInTurn({ id, token, outcome })
  }

  private endAll(ends: ReadonlyArray<End>): Effect.Effect<ReadonlyArray<boolean>, Failure> {
    const { now, sql } = this
    const given = this.given(ends.map(({ id, outcome, token }) => [id, token, outcome]))
    const ended = sql<Id>`UPDATE quiesce_threads SET state = 'ended', outcome = value->>2, changed = ${now}
      FROM ${given} WHERE quiesce_threads.id = value->>0 AND token = CAST(value->>1 AS BIGINT) AND state = 'running'
      RETURNING quiesce_threads.id`
    return Effect.map(this.ask("store an outcome", ended), among(ends))
  }

  /** Rows as one parameter, so that the text of a statement is the same for any number of rows. The column is `value`. */
  private given(rows: ReadonlyArray<ReadonlyArray<string | number>>): Fragment {
    const { sql } = this
    const text = JSON.stringify(rows)
    return sql.onDialectOrElse({
      pg: () => sql`json_array_elements(${text}::json)`,
      orElse: () => sql`json_each(${text})`
    })
  }

  /** Whether the thread will never start. False if it has started before. */
  cancel(claim: Omit<Claim, "runner">, reason: string): Effect.Effect<boolean, Failure> {
    const { now, sql } = this
    const { caller, id, name, task } = claim
    return this.changes(
      "cancel a thread",
      sql`INSERT INTO quiesce_threads (id, task, name, state, token, caller, reason, changed)
        VALUES (${id}, ${task}, ${name}, 'cancelled', ${firstToken}, ${caller}, ${reason}, ${now})
        ON CONFLICT (id) DO NOTHING RETURNING id`
    )
  }

  /** Raises the token. Whether the thread was running. */
  kill(id: string, reason: string): Effect.Effect<boolean, Failure> {
    const { sql } = this
    return this.changes("kill a thread", this.killWhere(reason, sql`id = ${id}`))
  }

  /** The same for each thread of a runner. Returns the ids of the threads. */
  killAllOf(runner: string, reason: string): Effect.Effect<ReadonlyArray<string>, Failure> {
    const killed = this.ask("kill the threads of a runner", this.killWhere(reason, this.sql`runner = ${runner}`))
    return Effect.map(killed, (rows) => rows.map(({ id }) => id))
  }

  /** The threads of a runner that were killed. */
  killedOf(runner: string): Effect.Effect<ReadonlyArray<string>, Failure> {
    const { sql } = this
    const killed = sql<{ readonly id: string }>`SELECT id FROM quiesce_threads
      WHERE runner = ${runner} AND state = 'killed'`
    return Effect.map(this.ask("look for killed threads", killed), (rows) => rows.map(({ id }) => id))
  }

  private killWhere(reason: string, which: Fragment): Statement<{ readonly id: string }> {
    const { now, sql } = this
    return sql`UPDATE quiesce_threads SET state = 'killed', token = token + 1, reason = ${reason}, changed = ${now}
      WHERE ${which} AND state = 'running' RETURNING id`
  }

  /** Forgets threads that ended at least so many milliseconds ago and hold no lease. */
  forget(millis: number): Effect.Effect<void, Failure> {
    const { now, sql } = this
    return Effect.asVoid(
      this.ask(
        "forget ended threads",
        sql`DELETE FROM quiesce_threads WHERE state <> 'running' AND changed < ${now} - ${millis}
          AND NOT EXISTS (SELECT 1 FROM quiesce_leases WHERE quiesce_leases.thread = quiesce_threads.id)`
      )
    )
  }

  /** The time of the store. */
  get clock(): Effect.Effect<number, Failure> {
    const found = this.sql<{ readonly now: number }>`SELECT ${this.now} AS now`
    return Effect.map(this.ask("tell the time", found), ([row]) => Number(row?.now))
  }

  private changes(operation: string, statement: Statement<unknown>): Effect.Effect<boolean, Failure> {
    return Effect.map(this.ask(operation, statement), (rows) => rows.length > 0)
  }

  /** Runs a statement. Its problem names the operation. */
  ask<A>(operation: string, statement: Effect.Effect<A, SqlError>): Effect.Effect<A, Failure> {
    return Effect.mapError(statement, unavailable(operation))
  }
}

export const unavailable =
  (operation: string) =>
  (error: SqlError): Failure =>
    ClusterError.make({ _tag: "StoreUnavailable", operation, problem: error.reason.message ?? error.message })

/** Opens the store of a database. Makes the tables that are missing. */
export const open: Effect.Effect<ThreadStore, ClusterError.ClusterError, SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient
  yield* Effect.catchTag(Tables.prepare(sql), "SqlError", (error) => Effect.fail(unavailable("make its tables")(error)))
  return new ThreadStore(sql)
})
