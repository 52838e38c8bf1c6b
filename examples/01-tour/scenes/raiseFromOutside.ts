/** An error raised from outside interrupts the region that accepts the error. The thread catches the error and goes on. */
import { Thread } from "@quiesce/core"
import { Duration, Effect, Schema } from "effect"
import { openIndex } from "../database.ts"
import { indexAll, makeProgress } from "../indexing.ts"
import { expect } from "../Scene.ts"
import type { Scene } from "../Scene.ts"

const name = "raise from outside"

/** Asks for an index of only the files with this ending. */
class NewFilter extends Schema.TaggedError<NewFilter>()("NewFilter", { ending: Schema.String }) {}

export const raiseFromOutside: Scene = {
  name,
  run: ({ database, sources }) =>
    Effect.gen(function* () {
      const progress = makeProgress(300)
      const indexer = yield* Thread.spawn(
        Effect.gen(function* () {
          const index = yield* openIndex(database, name)
          const everything = Effect.as(indexAll(index, sources, progress), 0)
          return yield* everything.pipe(
            Thread.receive(NewFilter),
            Effect.catchTag("NewFilter", ({ ending }) =>
              Effect.gen(function* () {
                const dropped = yield* index.count
                yield* index.clear
                yield* indexAll(index, sources.filter((path) => path.endsWith(ending)).slice(0, 200))
                return dropped
              })
            )
          )
        }),
        { name: "indexer" }
      )
      yield* progress.reached

      const [elapsed, delivered] = yield* Effect.timed(Thread.raise(indexer, new NewFilter({ ending: ".d.ts" })))

      const dropped = yield* Thread.join(indexer)
      const late = yield* Thread.raise(indexer, new NewFilter({ ending: ".js" }))
      yield* expect(delivered && dropped >= 300, "the error reaches the indexer during its work")
      yield* expect(!late, "a thread that has ended receives no error")
      return {
        asked: "raise NewFilter",
        rung: null,
        millis: Math.round(Duration.toMillis(elapsed)),
        rows: 200,
        story: [
          `the thread caught the error, dropped ${dropped} rows and indexed 200 .d.ts files instead`,
          "a second raise, after the end of the thread, returned false"
        ]
      }
    })
}
