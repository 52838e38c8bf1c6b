/** The start of every request to end: the reason is checked, and gets the asking thread and the time. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as CancelReason from "../CancelReason.ts"
import * as ThreadError from "../ThreadError.ts"
import { CurrentNode } from "./currentThread.ts"
import type { ThreadNode } from "./threadNode.ts"
import { textOf } from "./foreignText.ts"

export const withReason = <A>(
  reason: CancelReason.CancelReason,
  f: (stamped: CancelReason.CancelReason, current: ThreadNode, by: number) => Effect.Effect<A, ThreadError.ThreadError>
): Effect.Effect<A, ThreadError.ThreadError> =>
  CancelReason.isCancelReason(reason)
    ? Effect.withFiber((fiber) => {
        const by = fiber.getRef(CurrentNode)
        return f(stamp(reason, by, fiber.getRef(Clock.Clock)), by, fiber.id)
      })
    : Effect.fail(ThreadError.make({ _tag: "InvalidReason", given: textOf(reason) }))

const stamp = (reason: CancelReason.CancelReason, by: ThreadNode, clock: Clock.Clock): CancelReason.CancelReason =>
  reason.at !== undefined && reason.by !== undefined
    ? reason
    : { ...reason, by: reason.by ?? by.name, at: reason.at ?? clock.currentTimeMillisUnsafe() }
