/** The thread polls the stop flag between two files and returns the number of indexed files: nothing is forced. */
import { CancelReason, Escalation, Thread } from "@quiesce/core"
import { Effect } from "effect"
import { openIndex } from "../database.ts"
import { indexFile, makeProgress } from "../indexing.ts"
import { expect } from "../Scene.ts"
import type { Scene } from "../Scene.ts"

const name = "stop flag"

export const stopFlag: Scene = {
  name,
  run: ({ database, sources }) =>
    Effect.gen(function* () {
      const progress = makeProgress(400)
      const indexer = yield* Thread.spawn(
        Effect.gen(function* () {
          const index = yield* openIndex(database, name)
          let next = 0
          while (next < sources.length && !(yield* Thread.stopRequested)) {
            yield* indexFile(index, sources[next++]!, progress)
          }
          return next
        }),
        { name: "indexer" }
      )
      yield* progress.reached

      const report = yield* Thread.shutdown(indexer, {
        escalation: Escalation.graceful,
        reason: CancelReason.stopped({ message: "That is enough for now" })
      })

      const rows = yield* Thread.join(indexer)
      yield* expect(report.rung === "stop", "the thread ends by itself, on the first rung")
      return {
        asked: "stop",
        rung: report.rung,
        millis: report.millis,
        rows,
        story: [`the indexer finished its current file and returned: ${rows} of ${sources.length} files are indexed`]
      }
    })
}
