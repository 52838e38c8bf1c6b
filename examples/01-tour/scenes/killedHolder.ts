/**
 * A worker is killed while it holds a lock, in the middle of a row, with a folder that the host keeps for it. The next
 * in line, on another worker, gets the lock and is told; it drops the half row and goes on. The folder is gone.
 */
import { CancelReason, Thread } from "@quiesce/core"
import { SharedMutex } from "@quiesce/worker-threads"
import { Effect, Schedule } from "effect"
import { openIndex } from "../database.ts"
import * as Outside from "../outside.ts"
import { expect } from "../Scene.ts"
import type { Scene } from "../Scene.ts"
import { makeBusy } from "../search/contract.ts"
import { makePool, whenBusy } from "../search/pool.ts"

const name = "killed holder"
const size = 200

/** By a connection of its own, as one that is kept would hide whether another is closed. */
const countRows = (database: string) => Effect.scoped(Effect.flatMap(openIndex(database, name), ({ count }) => count))

export const killedHolder: Scene = {
  name,
  run: (place) =>
    Effect.gen(function* () {
      const { database, folder, sources } = place
      const pool = yield* makePool(place, 2)
      const lock = yield* SharedMutex.make({ name: "index lock" })
      const paths = sources.slice(0, size)
      /** What there is of it outside: its folder, and descriptors on the database and what SQLite puts beside it. */
      const look = () => ({
        folders: Outside.lookAtFolder(folder).filter((name) => name.startsWith("hold-")).length,
        open: Outside.openBelow(database)
      })
      const before = look()

      const busy = makeBusy()
      const holder = yield* pool.spawn("Hold", { database, scene: name, paths: paths.slice(0, size / 2), lock, busy })
      yield* whenBusy(busy)
      const next = yield* pool.spawn("Resume", { database, scene: name, paths, lock })
      yield* SharedMutex.status(lock).pipe(
        Effect.repeat({ schedule: Schedule.spaced("2 millis"), until: ({ waiting }) => waiting === 1 })
      )
      const during = look()
      const written = yield* countRows(database)

      const report = yield* Thread.shutdown(
        holder,
        { interrupt: "50 millis", kill: "10 seconds" },
        { reason: CancelReason.interrupted("It has held the lock for long enough") }
      )
      const { folders } = look()
      const { ownerDied, dropped, added } = yield* Thread.join(next)

      const { open } = look()
      const rows = yield* countRows(database)
      const { held, unusable } = yield* SharedMutex.status(lock)
      yield* expect(report.ending._tag === "Killed" && report.lost.length === 2, "the report names what was lost")
      yield* expect(during.folders === 1 && folders === 0, "what the host keeps is released before the end is known")
      yield* expect(!Outside.canList || during.open > before.open, "it has the database open")
      yield* expect(open === before.open, "nobody has it open afterwards")
      yield* expect(ownerDied && held === 0 && !unusable, "the next owner is told, and the lock is free again")
      yield* expect(
        written === size / 2 && dropped === 1 && rows === size,
        "the half row is dropped, the rest is there"
      )
      const lost = report.lost.map(({ lease }) => `"${lease}"`).join(" and ")
      return {
        asked: "interrupt, kill",
        rung: report.rung,
        millis: report.millis,
        rows,
        story: [
          `killed in the middle of row ${written}; lost to the ledger: ${lost}; the host had removed its folder by then`,
          `the next owner of the lock was told, dropped ${dropped} half row and added ${added}; Node closed the connection with the worker`
        ]
      }
    }).pipe(Effect.catchTag("WorkerError", Effect.die))
}
