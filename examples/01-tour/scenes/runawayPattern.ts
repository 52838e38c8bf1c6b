/**
 * A regular expression backtracks for ever over a real file in a worker. The match is ended in the middle. The finalizers
 * run in the worker, close the files and remove the folder, and the worker lives on.
 */
import { statSync } from "node:fs"
import { basename, join } from "node:path"
import { CancelReason, Thread } from "@quiesce/core"
import { Effect } from "effect"
import * as Outside from "../outside.ts"
import { expect } from "../Scene.ts"
import type { Scene } from "../Scene.ts"
import { makeBusy } from "../search/contract.ts"
import { makePool, sectionProblem, whenBusy } from "../search/pool.ts"

const isLong = (path: string): boolean => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 8192

export const runawayPattern: Scene = {
  name: "runaway pattern",
  run: (place) =>
    Effect.gen(function* () {
      const { folder, sources } = place
      const pool = yield* makePool(place, 1)
      const problem = sectionProblem(pool)
      if (problem !== undefined) {
        const story = [`left out, because only a kill ends a regular expression here: ${problem}`]
        return { asked: "interrupt", rung: null, millis: 0, rows: 0, story }
      }
      const path = sources.find(isLong) ?? import.meta.filename
      /** The traces of the task outside: its folder, and descriptors on its two files. */
      const look = () => ({
        folders: Outside.lookAtFolder(folder).filter((name) => name.startsWith("match-")).length,
        open: Outside.openBelow(path) + Outside.openBelow(join(folder, "match-"))
      })

      const busy = makeBusy()
      const thread = yield* pool.spawn("Match", { path, folder, busy })
      yield* whenBusy(busy)
      const before = look()
      const reason = CancelReason.interrupted({ message: "The match is no longer wanted" })
      const report = yield* Thread.shutdown(thread, { escalation: { interrupt: "10 seconds" }, reason })
      const after = look()

      const { workers } = yield* pool.status
      yield* expect(report.ending._tag === "Interrupted" && workers === 1, "the match is ended and the worker lives on")
      yield* expect(report.released.length === 3 && report.lost.length === 0, "the finalizers have run")
      yield* expect(before.folders === 1 && after.folders === 0, "the folder existed and is gone")
      yield* expect(!Outside.canList || (before.open === 2 && after.open === 0), "the files were open and are closed")
      return {
        asked: "interrupt",
        rung: report.rung,
        millis: report.millis,
        rows: 0,
        story: [
          `the expression tries to split ${basename(path)}, ${statSync(path).size} bytes, in more ways than anybody can wait for`,
          `the match ended in the middle, and finalizers released 2 files and a folder: ${after.open} and ${after.folders} are left`
        ]
      }
    }).pipe(Effect.catchTag("WorkerError", Effect.die))
}
