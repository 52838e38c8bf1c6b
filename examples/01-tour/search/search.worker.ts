/** The worker: opens the file as a lease of its thread, reads it, and is busy with it for ever. */
import { Blocking } from "@quiesce/core"
import { ThreadWorker } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { openFile } from "../sources.ts"
import { Searches } from "./contract.ts"

const set = (begun: Int32Array): void => {
  Atomics.store(begun, 0, 1)
  Atomics.notify(begun, 0)
}

const withText = <E>(path: string, search: (text: string) => Effect.Effect<void, E>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const handle = yield* openFile(path)
    const text = yield* Effect.promise(() => handle.readFile("utf8"))
    yield* search(text)
  }).pipe(Effect.scoped, Effect.orDie)

ThreadWorker.main(
  Searches,
  Searches.toLayer({
    Match: ({ path, begun }) =>
      withText(path, (text) =>
        Blocking.interruptible(() => {
          set(begun)
          // Each word may be split in every way, and nothing fits, as the end is wrong.
          const words = `${text.match(/\w+/g)?.join(" ") ?? ""}!`
          return void /^(?:\w+\s?)*$/.test(words)
        })
      ),
    Count: ({ path, begun }) =>
      withText(path, (text) =>
        Effect.sync((): void => {
          set(begun)
          for (let lines = 0; lines >= 0; lines += text.split("\n").length);
        })
      )
  })
)
