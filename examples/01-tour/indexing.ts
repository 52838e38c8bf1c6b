/** The work that the scenes cancel: read source files one after another and add their facts to the index. */
import { Effect, Latch } from "effect"
import type { Index } from "./database.ts"
import { readFacts } from "./sources.ts"

/** Counts the indexed files. `reached` waits until `goal` files are indexed. */
export interface Progress {
  readonly done: () => number
  readonly reached: Effect.Effect<void>
  readonly advance: Effect.Effect<void>
}

export const makeProgress = (goal: number): Progress => {
  const latch = Latch.makeUnsafe(false)
  let done = 0
  return {
    done: () => done,
    reached: latch.await,
    advance: Effect.sync(() => {
      if (++done === goal) latch.openUnsafe()
    })
  }
}

/** Indexes one file. The file is counted if and only if its row was added, whenever a cancel comes. */
export const indexFile = (index: Index, path: string, progress?: Progress): Effect.Effect<void> =>
  Effect.gen(function* () {
    const facts = yield* readFacts(path)
    yield* Effect.uninterruptible(Effect.andThen(index.add(facts), progress?.advance ?? Effect.void))
  })

/** Indexes all of `paths`. */
export const indexAll = (index: Index, paths: Iterable<string>, progress?: Progress): Effect.Effect<void> =>
  Effect.forEach(paths, (path) => indexFile(index, path, progress), { discard: true })
