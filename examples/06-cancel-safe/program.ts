/** A worker that takes a job off a board, does it, and puts it back if it is interrupted; with a gap, and without. */
import { Journal } from "@quiesce/testing"
import { Effect } from "effect"

/** A job that was taken and is neither done nor back on the board would be lost. */
const take = Journal.acquired("job")
const putBack = Journal.released("job")
const finish = Journal.released("job")

const work = Effect.sleep("10 minutes")

/** Between the taking and what puts back lies a step, and a cancel can fall there. */
export const leaky = Effect.gen(function* () {
  yield* take
  yield* Effect.onInterrupt(work, () => putBack)
  yield* finish
}).pipe(Effect.withSpan("do a job"))

/** Taken and put back in one expression, with nothing in between. */
export const mended = Effect.acquireUseRelease(
  take,
  () => work,
  (_, exit) => (exit._tag === "Success" ? finish : putBack)
)
