/** Three joiners wait for the same two threads, each with another limit, and never change the threads. */
import { Thread } from "@quiesce/core"
import { Clock, Duration, Effect } from "effect"
import { openIndex } from "../database.ts"
import { indexFile } from "../indexing.ts"
import { expect } from "../Scene.ts"
import type { Scene } from "../Scene.ts"

const name = "join with a timeout"

const after = (duration: Duration.Duration) => `${Math.round(Duration.toMillis(duration))} ms`

export const joinWithTimeout: Scene = {
  name,
  run: ({ database, sources }) =>
    Effect.gen(function* () {
      const index = yield* openIndex(database, name)
      /** Indexes every second file for `millis`, and gives the number of files. */
      const indexFor = (millis: number, offset: number) =>
        Effect.gen(function* () {
          const end = (yield* Clock.currentTimeMillis) + millis
          let done = 0
          while (2 * done + offset < sources.length && (yield* Clock.currentTimeMillis) < end) {
            yield* indexFile(index, sources[2 * done++ + offset]!)
          }
          return done
        })
      const threads = [
        yield* Thread.spawn(indexFor(300, 0), { name: "0.3 s" }),
        yield* Thread.spawn(indexFor(800, 1), { name: "0.8 s" })
      ]

      const [[each], [within], [unlimited, counts]] = yield* Effect.all(
        [
          Effect.timed(Thread.joinAll(threads, { each: "200 millis" })),
          Effect.timed(Thread.joinAll(threads, { within: "200 millis" })),
          Effect.timed(Thread.joinAll(threads))
        ],
        { concurrency: "unbounded" }
      )

      const rows = counts.reduce((sum, count) => sum + count, 0)
      yield* expect((yield* index.count) === rows, "both threads do all their work")
      return {
        asked: "join, three ways",
        rung: null,
        millis: Math.round(Duration.toMillis(unlimited)),
        rows,
        story: [
          `two threads work for 300 and 800 ms; a joiner with 200 ms for each went on after ${after(each)}, with 200 ms for both after ${after(within)},`,
          `without a limit after ${after(unlimited)}; both threads finished their work: ${counts.join(" and ")} files`
        ]
      }
    })
}
