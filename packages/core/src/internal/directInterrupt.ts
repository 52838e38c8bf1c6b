/** Interrupts threads from outside of any fiber, such as when a message asks for the end of a thread. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as CancelReason from "../CancelReason.ts"
import type { Thread } from "../Thread.ts"
import * as Ladder from "./ladder.ts"
import { inOrder } from "./sequence.ts"
import { nodeOf } from "./threadNode.ts"

/**
 * Interrupts a thread in the step of this call, without a fiber of its own. `by` is the id of the fiber that asks. Never
 * throws: a defect of the thread's adapter ends only a fiber, as it would end the fiber of a request.
 */
export const interruptThread = (
  thread: Thread<unknown, unknown>,
  reason: CancelReason.CancelReason,
  by: number
): void => {
  // A reason without an asker came from outside of any thread, such as from a foreign signal.
  const stamped =
    reason.at === undefined
      ? { ...reason, at: Context.get(Context.empty(), Clock.Clock).currentTimeMillisUnsafe() }
      : reason
  try {
    const requests = Ladder.interruptUnsafe(nodeOf(thread), stamped, "interrupt", by)
    if (requests.length > 0) Effect.runFork(Effect.uninterruptible(inOrder(requests, identity)))
  } catch (defect) {
    Effect.runFork(Effect.die(defect))
  }
}
