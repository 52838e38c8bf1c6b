/** The start of every request to end: thread and reason are checked, and the reason gets the asking thread and the time. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as CancelReason from "../CancelReason.ts"
import * as Texts from "./errorTexts.ts"
import * as Misuse from "./misuse.ts"
import { CurrentNode } from "./currentThread.ts"
import type { ThreadNode } from "./threadNode.ts"
import { givenText } from "./givenText.ts"

/** The reason in the options of a request. A user without types may give null, which is refused. */
export const reasonIn = (
  options: { readonly reason?: CancelReason.CancelReason | undefined } | undefined,
  otherwise: CancelReason.CancelReason
): CancelReason.CancelReason => (options?.reason === undefined ? otherwise : options.reason)

export const withReason = <A>(
  reason: CancelReason.CancelReason,
  f: (stamped: CancelReason.CancelReason, current: ThreadNode, by: number) => Effect.Effect<A>
): Effect.Effect<A> =>
  CancelReason.isCancelReason(reason)
    ? Effect.withFiber((fiber) => {
        const by = fiber.getRef(CurrentNode)
        return f(stamp(reason, by, fiber.getRef(Clock.Clock)), by, fiber.id)
      })
    : Misuse.die({ _tag: "InvalidReason", given: givenText(reason) }, Texts.invalidReason)

/** The reason with the asking thread and the time. */
export const stamp = (
  reason: CancelReason.CancelReason,
  by: ThreadNode,
  clock: Clock.Clock
): CancelReason.CancelReason =>
  reason.at !== undefined && reason.by !== undefined
    ? reason
    : { ...reason, by: reason.by ?? by.name, at: reason.at ?? clock.currentTimeMillisUnsafe() }
