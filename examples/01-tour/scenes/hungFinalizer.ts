/**
 * A release that never ends is given up after its limit, and the releases after it run all the same. What it has left
 * open is closed by a backstop: a lease that was acquired before it, and so is released after it.
 */
import type { FileHandle } from "node:fs/promises"
import { open } from "node:fs/promises"
import { join } from "node:path"
import { Lease, Thread } from "@quiesce/core"
import { Effect } from "effect"
import { openIndex } from "../database.ts"
import { indexAll, makeProgress } from "../indexing.ts"
import { expect } from "../Scene.ts"
import type { Scene } from "../Scene.ts"

const name = "hung finalizer"

/** Journals that are open. What a leak leaves here is not closed by the garbage collector either. */
const journals = new Set<FileHandle>()

/** Waits for somebody who never answers; closing would be the next step. */
const confirmAndClose = (journal: FileHandle): Effect.Effect<void> =>
  Effect.promise(() => new Promise<never>(() => {})).pipe(Effect.andThen(close(journal)))

const close = (journal: FileHandle): Effect.Effect<void> =>
  Effect.promise(() => journal.close().then(() => void journals.delete(journal)))

export const hungFinalizer: Scene = {
  name,
  run: ({ database, folder, leak, rescue, sources }) =>
    Effect.gen(function* () {
      const progress = makeProgress(100)
      let rescued = 0
      const backstop = Lease.make({
        name: "backstop",
        acquire: Effect.void,
        release: () =>
          Effect.forEach(leak ? [] : journals, (journal) =>
            Effect.andThen(
              close(journal),
              Effect.sync(() => {
                rescued++
                rescue("by a backstop")
              })
            )
          )
      })
      const openJournal = Lease.make({
        name: "journal",
        acquire: Effect.promise(async () => {
          const journal = await open(join(folder, "index.db"), "r")
          journals.add(journal)
          return journal
        }),
        release: confirmAndClose,
        releaseWithin: "250 millis"
      })
      const indexer = yield* Thread.spawn(
        Effect.gen(function* () {
          const index = yield* openIndex(database, name)
          yield* backstop
          yield* openJournal
          yield* indexAll(index, sources, progress)
        }),
        { name: "indexer" }
      )
      yield* progress.reached

      // It does not look at the stop flag, so that the first rung is outwaited as well.
      const report = yield* Thread.shutdown(indexer, { stop: "50 millis", interrupt: "5 seconds" })

      const stop = report.attempts.find((attempt) => attempt.rung === "stop")
      const given = report.timedOut[0]
      yield* expect(stop?._tag === "Outwaited" && report.rung === "interrupt", "the thread ends on the second rung")
      yield* expect(given?.lease === "journal", "the report names the release that hung")
      return {
        asked: "stop, then interrupt",
        rung: report.rung,
        millis: report.millis,
        rows: progress.done(),
        story: [
          `stop was outwaited; on interrupt the release of "${given?.lease}" hung and was given up after 250 ms`,
          rescued === 1 ? "the releases below it ran: the backstop closed the file" : "nobody closed its file"
        ]
      }
    })
}
