/**
 * A release that never ends is given up at its time limit, and the later releases still run. The file of the hung release
 * is closed by a backstop: a lease that was acquired before the file, and so is released after the file.
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

/** The open journals. The set also keeps a leaked journal from the garbage collector. */
const journals = new Set<FileHandle>()

/** Waits for an answer that never comes, and would then close the journal. */
const confirmAndClose = (journal: FileHandle): Effect.Effect<void> =>
  Effect.promise(() => new Promise<never>(() => {})).pipe(Effect.andThen(close(journal)))

const close = (journal: FileHandle): Effect.Effect<void> =>
  Effect.promise(() => journal.close().then(() => void journals.delete(journal)))

export const hungFinalizer: Scene = {
  name,
  run: ({ freedBy, database, folder, leak, sources }) =>
    Effect.gen(function* () {
      const progress = makeProgress(100)
      let closed = 0
      const backstop = Lease.acquire({
        name: "backstop",
        acquire: Effect.void,
        release: () =>
          Effect.forEach(leak ? [] : journals, (journal) =>
            Effect.andThen(
              close(journal),
              Effect.sync(() => {
                closed++
                freedBy("a backstop")
              })
            )
          )
      })
      const openJournal = Lease.acquire({
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

      // The indexer never polls the stop flag, so the first rung is outwaited, too.
      const report = yield* Thread.shutdown(indexer, { escalation: { stop: "50 millis", interrupt: "5 seconds" } })

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
          `stop: no answer in 50 ms; interrupt: the release of "${given?.lease}" hung and was given up after 250 ms`,
          closed === 1 ? "the other releases ran, and the backstop closed the file" : "nobody closed the file"
        ]
      }
    })
}
