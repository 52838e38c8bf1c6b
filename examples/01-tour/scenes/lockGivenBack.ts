/** One thread is cancelled while it holds a lock, another thread while it waits. The third thread gets the lock. */
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { Escalation, Lease, Thread } from "@quiesce/core"
import { Clock, Effect, Semaphore } from "effect"
import { openIndex } from "../database.ts"
import { indexAll, makeProgress } from "../indexing.ts"
import { expect } from "../Scene.ts"
import type { Scene } from "../Scene.ts"
import { openFile } from "../sources.ts"

const name = "lock given back"

export const lockGivenBack: Scene = {
  name,
  run: ({ database, folder, sources }) =>
    Effect.gen(function* () {
      const index = yield* openIndex(database, name)
      const permits = yield* Semaphore.make(1)
      const progress = makeProgress(100)

      /** One writer at a time: a permit within this process, and a lock file for other processes. */
      const file = join(folder, "index.lock")
      const lock = Effect.gen(function* () {
        yield* Lease.acquire({
          name: "permit",
          acquire: permits.take(1),
          release: () => permits.release(1),
          interruptible: true
        })
        yield* Lease.acquire({
          name: "index.lock",
          acquire: Effect.scoped(openFile(file, "wx")),
          release: () => Effect.promise(() => rm(file))
        })
        return yield* Clock.currentTimeMillis
      })
      const writer = (name: string, from: number, to: number) =>
        Thread.spawn(
          Effect.gen(function* () {
            const since = yield* lock
            yield* indexAll(index, sources.slice(from, to), progress)
            return since
          }),
          { name, startImmediately: true }
        )
      const holder = yield* writer("holder", 0, sources.length)
      const impatient = yield* writer("impatient", 0, 0)
      yield* progress.reached
      const next = yield* writer("next", sources.length - 50, sources.length)

      yield* Thread.interrupt(impatient)
      const written = yield* index.count
      const asked = yield* Clock.currentTimeMillis
      const report = yield* Thread.shutdown(holder, { escalation: Escalation.interrupt })
      const since = yield* Thread.join(next)

      yield* expect(since >= asked, "the next writer gets the lock after the holder was asked to end")
      yield* expect(
        report.released.some(({ lease }) => lease === "index.lock"),
        "the holder releases the lock"
      )
      return {
        asked: "interrupt",
        rung: report.rung,
        millis: report.millis,
        rows: yield* index.count,
        story: [
          `the holder had written ${written} rows; a cancelled waiter left no trace in the queue`,
          `the next writer got the lock ${since - asked} ms after the request to the holder, and wrote 50 rows`
        ]
      }
    })
}
