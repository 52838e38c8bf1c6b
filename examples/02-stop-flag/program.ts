/** The first way to end a thread: a flag that the thread polls. */
import { CancelReason, Thread } from "@quiesce/core"
import { Console, Effect, Latch } from "effect"

/** Works in steps and polls the flag between two steps. */
const poller = (inFourthStep: Latch.Latch) =>
  Effect.gen(function* () {
    let steps = 0
    while (!(yield* Thread.stopRequested)) {
      if (steps === 3) yield* inFourthStep.open
      yield* Effect.sleep("100 millis")
      steps++
    }
    yield* Console.log(`poller: asked to stop, finished step ${steps}`)
    return steps
  })

/** Sleeps for an hour, but wakes as soon as somebody asks the thread to stop. */
const sleeper = Effect.gen(function* () {
  yield* Thread.untilStopped(Effect.sleep("1 hour"))
  const reason = yield* Thread.awaitStop
  yield* Console.log(`sleeper: awake, because "${reason.message}"`)
})

export const program = Effect.scoped(
  Effect.gen(function* () {
    const inFourthStep = yield* Latch.make(false)
    const office = yield* Thread.spawn(
      Effect.gen(function* () {
        const threads = [
          yield* Thread.spawn(poller(inFourthStep), { name: "poller" }),
          yield* Thread.spawn(Effect.as(sleeper, 0), { name: "sleeper" })
        ]
        const [steps] = yield* Thread.joinAll(threads)
        return steps
      }),
      { name: "office" }
    )
    yield* inFourthStep.await

    // One request reaches the thread and all threads below it. Nothing is forced: each thread chooses its own end.
    yield* Thread.stop(office, { reason: CancelReason.stopped({ message: "Closing time" }) })
    yield* Console.log("main:   asked the office to stop")

    const steps = yield* Thread.join(office)
    yield* Console.log(`main:   the office is closed, ${steps} steps were done`)
    return steps
  })
)
