/** The third way: wait for threads with a limit, and go on without them at the limit. */
import { Thread } from "@quiesce/core"
import { Clock, Console, Effect } from "effect"

/** Gives the time at which each joiner went on, in milliseconds since the start. */
export const program = Effect.scoped(
  Effect.gen(function* () {
    const start = yield* Clock.currentTimeMillis
    const elapsed = Effect.map(Clock.currentTimeMillis, (now) => now - start)
    const say = (line: string) =>
      Effect.flatMap(elapsed, (millis) => Console.log(`${(millis / 1000).toFixed(1)} s  ${line}`))

    const worker = (name: string, seconds: number) =>
      Thread.spawn(Effect.andThen(Effect.sleep(`${seconds} seconds`), say(`${name} has done its work`)), { name })
    const threads = [yield* worker("thread A", 3), yield* worker("thread B", 8)]
    yield* say("thread A works for 3 s, thread B for 8 s")

    const joiner = (name: string, join: Effect.Effect<unknown>) =>
      Effect.gen(function* () {
        yield* join
        const alive = yield* Effect.filter(threads, Thread.isAlive)
        yield* say(`${name} goes on; still at work: ${alive.map((thread) => thread.name).join(", ") || "nobody"}`)
        return yield* elapsed
      })

    // All three joiners wait for the same two threads, because a join never changes a thread.
    return yield* Effect.all(
      {
        unlimited: joiner("joiner without a limit", Thread.joinAll(threads)),
        each: joiner("joiner with 2 s for each", Thread.joinAll(threads, { each: "2 seconds" })),
        within: joiner("joiner with 2 s for all", Thread.joinAll(threads, { within: "2 seconds" }))
      },
      { concurrency: "unbounded" }
    )
  })
)
