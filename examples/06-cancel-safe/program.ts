/** A worker takes a job off a board, does the job, and puts the job back if it is interrupted; once leaky, once mended. */
import { Journal } from "@quiesce/testing"
import { Effect } from "effect"

/** A job is lost if it was taken and is neither done nor put back. */
const take = Journal.acquired("job")
const putBack = Journal.released("job")
const finish = Journal.released("job")

const work = Effect.sleep("10 minutes")

/** There is a step between the taking and the registration of `putBack`. A cancel in that step loses the job. */
export const leaky = Effect.gen(function* () {
  yield* take
  yield* Effect.onInterrupt(work, () => putBack)
  yield* finish
}).pipe(Effect.withSpan("do a job"))

/** One expression takes the job and registers `putBack`, so that no cancel falls between the two. */
export const mended = Effect.acquireUseRelease(
  take,
  () => work,
  (_, exit) => (exit._tag === "Success" ? finish : putBack)
)
