/**
 * An `SqlClient` over Node's own `node:sqlite`, in the shape of Effect's drivers. No driver of Effect for SQLite goes with
 * Effect 4.1; this module falls away when there is one.
 *
 * Several processes may open one file. A transaction begins as `IMMEDIATE`, because a transaction that first reads and then
 * writes fails at once if another process has written in between. Integers are read as `bigint`, because Effect's ids have
 * more bits than a number, and become numbers unless `SafeIntegers` asks for `bigint`.
 *
 * The calls of `node:sqlite` are synchronous, and SQLite itself would wait for another process's lock within the call, which
 * blocks the event loop: a runner could not renew its row, and its watchdog would end the process. SQLite waits for
 * `blockedMillis` only, and the statement is then tried again after pauses.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import * as Client from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { classifySqliteError, SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import * as Stream from "effect/Stream"

/** How long the event loop is blocked by one attempt. */
const blockedMillis = 20

/** A statement waits for another process's lock for about five seconds. */
const untilFree = { schedule: Schedule.spaced("20 millis"), times: 125 }

/** How long the opening of a file waits within the call. */
const openMillis = 5000

/** As many prepared statements are kept. */
const maxPrepared = 256

/** Opens a file, or `:memory:`. The database is closed with the scope. */
export const layer = (filename: string): Layer.Layer<Client.SqlClient, SqlError> =>
  Layer.effect(Client.SqlClient, make(filename)).pipe(Layer.provide(Reactivity.layer))

const make = (filename: string) =>
  Effect.gen(function* () {
    const database = yield* Effect.acquireRelease(open(filename), (opened) => Effect.sync(() => opened.close()))
    const connection = connectionOf(database)
    const semaphore = yield* Semaphore.make(1)
    return yield* Client.make({
      ...Client.makeSqliteAcquirers({
        connection: Effect.succeed(connection),
        semaphore,
        isTransaction: () => database.isTransaction
      }),
      compiler: Statement.makeCompilerSqlite(),
      driver: "node:sqlite",
      spanAttributes: [["db.system.name", "sqlite"]],
      beginTransaction: "BEGIN IMMEDIATE"
    })
  })

const open = (filename: string): Effect.Effect<DatabaseSync, SqlError> =>
  attempt("open", () => {
    const database = new DatabaseSync(filename, { timeout: openMillis })
    try {
      // A reader and a writer then don't wait for each other. `NORMAL` keeps each transaction through the death of a process.
      database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = ${blockedMillis}`)
    } catch (error) {
      database.close()
      throw error
    }
    return database
  })

const attempt = <A>(operation: string, f: () => A): Effect.Effect<A, SqlError> =>
  Effect.try({
    try: f,
    catch: (cause) =>
      new SqlError({ reason: classifySqliteError(coded(cause), { message: messageOf(operation, cause), operation }) })
  })

const messageOf = (operation: string, cause: unknown): string =>
  `SQLite could not ${operation}: ${cause instanceof Error ? cause.message : String(cause)}`

/** Node has the result code of SQLite as `errcode`; Effect looks for `errno`. */
const coded = (cause: unknown): unknown =>
  cause instanceof Error && "errcode" in cause ? Object.assign(cause, { errno: cause.errcode }) : cause

type Row = Record<string, unknown>

/** Runs a statement. Statements are prepared once. */
const runnerOf = (database: DatabaseSync): ((sql: string, params: ReadonlyArray<unknown>) => Array<Row>) => {
  const prepared = new Map<string, StatementSync>()
  const prepare = (sql: string): StatementSync => {
    const known = prepared.get(sql)
    if (known !== undefined) return known
    const statement = database.prepare(sql)
    statement.setReadBigInts(true)
    if (prepared.size >= maxPrepared) prepared.clear()
    prepared.set(sql, statement)
    return statement
  }
  return (sql, params) => {
    try {
      return prepare(sql).all(...params.map(input))
    } catch (error) {
      if (ends.test(sql)) abandon(database)
      throw error
    }
  }
}

const connectionOf = (database: DatabaseSync): Connection => {
  const run = runnerOf(database)
  const rows = (sql: string, params: ReadonlyArray<unknown>): Effect.Effect<ReadonlyArray<Row>, SqlError> =>
    Effect.withFiber((fiber) => {
      const once = attempt("execute", () => {
        const found = run(sql, params)
        return Context.get(fiber.context, Client.SafeIntegers) ? found : found.map(withNumbers)
      })
      return Effect.catchIf(once, isLocked, () => Effect.retry(once, { ...untilFree, while: isLocked }))
    })
  const values = (sql: string, params: ReadonlyArray<unknown>) =>
    Effect.map(rows(sql, params), (found) => found.map((row) => Object.values(row)))
  const execute: Connection["execute"] = (sql, params, transformRows) =>
    transformRows === undefined ? rows(sql, params) : Effect.map(rows(sql, params), transformRows)
  return {
    execute,
    executeUnprepared: execute,
    executeRaw: rows,
    executeValues: values,
    executeValuesUnprepared: values,
    executeStream: (sql, params, transformRows) =>
      Stream.unwrap(Effect.map(execute(sql, params, transformRows), Stream.fromIterable))
  }
}

/** An open transaction has the lock already, and waits for none. */
const isLocked = ({ reason }: SqlError): boolean => reason._tag === "LockTimeoutError"

/** The last statement of a transaction. */
const ends = /^(COMMIT|ROLLBACK)$/

/**
 * A transaction whose end has failed would keep its lock until this process ends, and every other process would wait for
 * the lock.
 */
const abandon = (database: DatabaseSync): void => {
  if (database.isTransaction) database.exec("ROLLBACK")
}

/** A value that SQLite stores, or the value itself, which `node:sqlite` then refuses by name. */
const input = (value: unknown): SQLInputValue => {
  if (value === undefined) return null
  if (typeof value === "boolean") return value ? 1 : 0
  if (value instanceof Date) return value.toISOString()
  return value as SQLInputValue
}

const withNumbers = (row: Row): Row => {
  for (const [name, value] of Object.entries(row)) {
    if (typeof value === "bigint" && isSafe(value)) row[name] = Number(value)
  }
  return row
}

const isSafe = (value: bigint): boolean => value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
