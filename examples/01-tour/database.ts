/** The index of the source files, in a real SQLite database. */
import { DatabaseSync } from "node:sqlite"
import { Lease } from "@quiesce/core"
import { Effect, Exit } from "effect"
import type { Scope } from "effect"
import type { Facts } from "./sources.ts"

const schema = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS files (
    scene TEXT NOT NULL,
    path TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (scene, path)
  ) WITHOUT ROWID;
`

/** A connection to the index. The connection closes with its scope. */
export interface Index {
  readonly add: (facts: Facts) => Effect.Effect<void>
  readonly count: Effect.Effect<number>
  readonly clear: Effect.Effect<void>
  /** Adds a row for a file that has not been read yet. */
  readonly begin: (path: string) => Effect.Effect<void>
  /** Deletes the rows that `begin` added, and gives their number. */
  readonly dropBegun: Effect.Effect<number>
  /** A transaction. The transaction commits if its scope succeeds, and rolls back if the scope fails or is interrupted. */
  readonly transaction: Effect.Effect<void, never, Scope.Scope>
}

/** Opens the index for one scene. All methods work on the rows with the name of the scene. */
export const openIndex = (path: string, scene: string): Effect.Effect<Index, never, Scope.Scope> =>
  Effect.map(
    Lease.acquire({
      name: "database connection",
      acquire: Effect.sync(() => {
        const database = new DatabaseSync(path)
        database.exec(schema)
        return database
      }),
      release: (database) => Effect.sync(() => database.close())
    }),
    (database) => {
      const insert = database.prepare("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)")
      const count = database.prepare("SELECT count(*) AS rows FROM files WHERE scene = ?")
      const remove = database.prepare("DELETE FROM files WHERE scene = ?")
      const removeBegun = database.prepare("DELETE FROM files WHERE scene = ? AND sha256 = ''")
      return {
        add: ({ path, bytes, lines, tokens, sha256 }) =>
          Effect.sync(() => void insert.run(scene, path, bytes, lines, tokens, sha256)),
        count: Effect.sync(() => Number(count.get(scene)?.["rows"])),
        clear: Effect.sync(() => void remove.run(scene)),
        begin: (path) => Effect.sync(() => void insert.run(scene, path, 0, 0, 0, "")),
        dropBegun: Effect.sync(() => Number(removeBegun.run(scene).changes)),
        transaction: Lease.acquire({
          name: "transaction",
          acquire: Effect.sync(() => database.exec("BEGIN")),
          release: (_, exit) => Effect.sync(() => database.exec(Exit.isSuccess(exit) ? "COMMIT" : "ROLLBACK"))
        })
      }
    }
  )
