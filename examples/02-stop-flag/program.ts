/** The first way to end a thread: a flag that it looks at. */
import { CancelReason, Thread } from "@quiesce/core"
import { Console, Effect } from "effect"

/** Works in steps, and looks at the flag between two of them. */
const poller = Effect.gen(function* () {
  let steps = 0
  while (!(yield* Thread.stopRequested)) {
    yield* Effect.sleep("100 millis")
    steps++
  }
  yield* Console.log(`poller: asked to stop, finished step ${steps}`)
  return steps
})

/** Has nothing to do for an hour, but gives up waiting as soon as it is asked to stop. */
const sleeper = Effect.gen(function* () {
  yield* Thread.untilStopped(Effect.sleep("1 hour"))
  const reason = yield* Thread.awaitStop
  yield* Console.log(`sleeper: awake, because "${reason.message}"`)
})

export const program = Effect.scoped(
  Effect.gen(function* () {
    const office = yield* Thread.spawn(
      Effect.gen(function* () {
        const threads = [
          yield* Thread.spawn(poller, { name: "poller" }),
          yield* Thread.spawn(Effect.as(sleeper, 0), { name: "sleeper" })
        ]
        const [steps] = yield* Thread.joinAll(threads)
        return steps
      }),
      { name: "office" }
    )
    yield* Effect.sleep("350 millis")

    // One request reaches the thread and all below it. Nothing is forced: each ends when it sees fit.
    yield* Thread.stop(office, CancelReason.stopped("Closing time"))
    yield* Console.log("main:   asked the office to stop")

    const steps = yield* Thread.join(office)
    yield* Console.log(`main:   the office is closed, ${steps} steps were done`)
    return steps
  })
)
