/** SQLite by Node's own module. Node 22 prints a warning about it. */
import { DatabaseSync } from "node:sqlite"
import { Lease } from "@quiesce/core"
import { Effect, Exit } from "effect"

/** Each thread has a connection of its own. Nothing waits inside SQLite, because nothing could end such a wait. */
export const open = (file: string) =>
  Lease.acquire({
    name: "database",
    acquire: Effect.sync(() => new DatabaseSync(file, { timeout: 0 })),
    release: (database) => Effect.sync(() => database.close())
  })

/** Opens the file as its first user. */
export const create = (file: string) =>
  Effect.tap(open(file), (database) =>
    Effect.sync(() =>
      database.exec(`
        PRAGMA journal_mode = WAL;
        CREATE TABLE IF NOT EXISTS report (id TEXT PRIMARY KEY, parts INTEGER NOT NULL) STRICT;
        CREATE TABLE IF NOT EXISTS part (
          report TEXT NOT NULL, number INTEGER NOT NULL, primes INTEGER NOT NULL, PRIMARY KEY (report, number)
        ) STRICT;
      `)
    )
  )

/** A transaction of the current scope. It is committed after a success, and rolled back after a failure or a cancel. */
export const transaction = (database: DatabaseSync) =>
  Lease.acquire({
    name: "transaction",
    acquire: begin(database),
    release: (_, exit) => Effect.sync(() => database.exec(Exit.isSuccess(exit) ? "COMMIT" : "ROLLBACK"))
  })

/** Waits until no other connection writes. Only the pause is interruptible, so that no cancel falls behind the `BEGIN`. */
const begin = (database: DatabaseSync): Effect.Effect<void> =>
  Effect.suspend(() =>
    hasBegun(database) ? Effect.void : Effect.andThen(Effect.interruptible(pause), begin(database))
  )

const pause = Effect.sleep("2 millis")

const busy = 5

const hasBegun = (database: DatabaseSync): boolean => {
  try {
    database.exec("BEGIN IMMEDIATE")
    return true
  } catch (error) {
    if ((error as { readonly errcode?: number }).errcode === busy) return false
    throw error
  }
}
