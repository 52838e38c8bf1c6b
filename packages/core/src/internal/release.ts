/**
 * Marks the fibers that run the release of a lease.
 *
 * A release is shielded from every cancel of its thread. A release with a limit runs in an interruptible fiber, so that the
 * limit can end it. The mask of such a fiber therefore does not show that the fiber is shielded.
 */
import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import { CurrentNode } from "./currentThread.ts"
import type { ThreadNode } from "./threadNode.ts"

/** The thread whose release a fiber runs. A thread that is spawned in a release is not part of the release. */
export const CurrentRelease: Context.Reference<ThreadNode | undefined> = /* @__PURE__ */ Context.Reference<
  ThreadNode | undefined
>("@quiesce/core/Lease/CurrentRelease", { defaultValue: () => undefined })

/** Whether a fiber runs a release of its own thread. */
export const isReleasing = (fiber: Fiber.Fiber<unknown, unknown>): boolean => {
  const thread = fiber.getRef(CurrentRelease)
  return thread !== undefined && thread === fiber.getRef(CurrentNode)
}
