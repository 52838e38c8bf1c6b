/** The client of a SQLite file, with a store that refuses statements. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Exit, Fiber } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { afterAll, expect, it } from "vitest"
import * as SqliteClient from "../src/internal/store/sqliteClient.ts"
import { awayWhile } from "./fixtures/statements.ts"

const folder = mkdtempSync(join(tmpdir(), "quiesce-sqlite-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it("a transaction that can be neither committed nor rolled back leaves no lock behind", async () => {
  const [filename, away] = [join(folder, "threads.db"), join(folder, "away")]
  awayWhile(away)
  await Effect.gen(function* () {
    const sql = yield* SqlClient
    yield* sql`CREATE TABLE t (n INTEGER)`
    const written = Effect.andThen(
      sql`INSERT INTO t VALUES (1)`,
      Effect.sync(() => writeFileSync(away, ""))
    )
    expect(Exit.isFailure(yield* Effect.exit(sql.withTransaction(written)))).toBe(true)
    rmSync(away)
    const other = new DatabaseSync(filename, { timeout: 0 })
    other.exec("BEGIN IMMEDIATE; INSERT INTO t VALUES (2); COMMIT")
    other.close()
    expect(yield* sql.withTransaction(sql`SELECT n FROM t`)).toEqual([{ n: 2 }])
  }).pipe(Effect.provide(SqliteClient.layer(filename)), Effect.runPromise)
})

it("a statement that waits for another process's lock does not block the event loop, and runs when the lock is free", async () => {
  const filename = join(folder, "locked.db")
  const rows = await Effect.gen(function* () {
    const sql = yield* SqlClient
    yield* sql`CREATE TABLE t (n INTEGER)`
    const other = new DatabaseSync(filename)
    other.exec("BEGIN IMMEDIATE")
    const waiting = yield* Effect.forkChild(sql.withTransaction(sql`INSERT INTO t VALUES (1)`), {
      startImmediately: true
    })
    const alone = yield* Effect.forkChild(sql`INSERT INTO t VALUES (2)`, { startImmediately: true })
    // The lock is freed by this event loop.
    other.exec("COMMIT")
    other.close()
    yield* Fiber.join(waiting)
    yield* Fiber.join(alone)
    return yield* sql`SELECT n FROM t ORDER BY n`
  }).pipe(Effect.provide(SqliteClient.layer(filename)), Effect.runPromise)
  expect(rows).toEqual([{ n: 1 }, { n: 2 }])
})
