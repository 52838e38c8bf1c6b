/**
 * A worker is killed in the middle of a row, while it holds a lock and a folder that the host keeps for the worker. The
 * next owner, on another worker, gets the lock with a notice, drops the half row and goes on. The host removes the folder.
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

/** Counts by a new connection, because a kept connection would hide whether another one was closed. */
const countRows = (database: string) => Effect.scoped(Effect.flatMap(openIndex(database, name), ({ count }) => count))

export const killedHolder: Scene = {
  name,
  run: (place) =>
    Effect.gen(function* () {
      const { database, folder, sources } = place
      const pool = yield* makePool(place, 2)
      const lock = yield* SharedMutex.make({ name: "index lock" })
      const paths = sources.slice(0, size)
      /** The traces of the task outside: its folder, and descriptors on the database and on the files beside the database. */
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

      const report = yield* Thread.shutdown(holder, {
        escalation: { interrupt: "50 millis", kill: "10 seconds" },
        reason: CancelReason.interrupted({ message: "It has held the lock for long enough" })
      })
      const { folders } = look()
      const { ownerDied, dropped, added } = yield* Thread.join(next)

      const { open } = look()
      const rows = yield* countRows(database)
      const { held, unusable } = yield* SharedMutex.status(lock)
      yield* expect(report.ending._tag === "Killed" && report.lost.length === 2, "the report names what was lost")
      yield* expect(during.folders === 1 && folders === 0, "the folder is removed before the shutdown returns")
      yield* expect(!Outside.canList || during.open > before.open, "the holder has the database open")
      yield* expect(open === before.open, "no descriptor is open on the database afterwards")
      yield* expect(ownerDied && held === 0 && !unusable, "the next owner is notified, and the lock is free again")
      yield* expect(
        written === size / 2 && dropped === 1 && rows === size,
        "the half row is dropped, and the other rows are complete"
      )
      const lost = report.lost.map(({ lease }) => `"${lease}"`).join(" and ")
      return {
        asked: "interrupt, kill",
        rung: report.rung,
        millis: report.millis,
        rows,
        story: [
          `killed in the middle of row ${written}: the worker could not release ${lost}; the host removed the folder`,
          `Node closed the connection; the next owner of the lock was notified, dropped ${dropped} half row and added ${added} rows`
        ]
      }
    }).pipe(Effect.catchTag("WorkerError", Effect.die))
}
