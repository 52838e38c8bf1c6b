/** The failure of a thread as its group or its map keeps it. */
import * as Cause from "effect/Cause"
import type * as Exit from "effect/Exit"
import { DeadlineExceeded } from "../Deadline.ts"
import { exceededBy } from "./deadlines.ts"
import { interruptsOnly } from "./interruptions.ts"
import type { ThreadNode } from "./threadNode.ts"

/** Undefined if the thread has succeeded or was only interrupted. */
export const failureOf = (node: ThreadNode, exit: Exit.Exit<unknown, unknown>): Cause.Cause<unknown> | undefined => {
  if (exit._tag === "Success") return undefined
  if (!interruptsOnly(exit.cause)) {
    // The interruption beside a failure was meant for the thread. It would also interrupt each fiber that joins.
    const wrong = exit.cause.reasons.filter((reason) => !Cause.isInterruptReason(reason))
    return wrong.length === 0 ? undefined : Cause.fromReasons(wrong)
  }
  // The token of the thread may have noticed the deadline, and nothing else has interrupted the thread.
  const late = node.isCancelled ? undefined : exceededBy(exit.cause)
  return late === undefined ? undefined : Cause.fail(exceeded(late - node.spawnedAt))
}

const exceeded = (millis: number): DeadlineExceeded =>
  new DeadlineExceeded({ millis: Math.max(0, millis), suppressed: [] })
