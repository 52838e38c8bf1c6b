/**
 * Asking threads to end, on each of the rungs. Nothing here waits for what comes of it.
 *
 * Invariant: a rung that a thread has already been asked on, by whomever, is not asked again with the same reason.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as CancelReason from "../CancelReason.ts"
import type * as Escalation from "../Escalation.ts"
import type { UnwindOutcome } from "../ThreadControls.ts"
import type { ThreadNode } from "./threadNode.ts"

/** Asks a thread, and all its descendants, to stop. */
export const stop = (node: ThreadNode, reason: CancelReason.CancelReason): Effect.Effect<void> => {
  if (!node.isAlive) return Effect.void
  const asked = node.beginStop(reason) ? node.controls.requestStop(reason) : Effect.void
  if (node.firstChild === undefined) return asked
  return Effect.andThen(
    asked,
    Effect.forEach([...node.children()], (child) => stop(child, node.reason ?? reason), { discard: true })
  )
}

/**
 * Asks a thread to be interrupted, or with a higher rung marks that it has come to that. Whoever asks can't be ended
 * between the mark and the request: the thread would count as cancelled and never hear of it.
 */
export const interrupt = (
  node: ThreadNode,
  reason: CancelReason.CancelReason,
  rung: Exclude<Escalation.Rung, "stop"> = "interrupt"
): Effect.Effect<void> =>
  Effect.uninterruptible(
    Effect.withFiber((by) => {
      const requests = interruptUnsafe(node, reason, rung, by.id)
      return requests === none ? Effect.void : Effect.all(requests, { discard: true })
    })
  )

/** The same for one thread, at once; gives what still has to be run, uninterruptibly, in the same step. */
export const interruptUnsafe = (
  node: ThreadNode,
  reason: CancelReason.CancelReason,
  rung: Exclude<Escalation.Rung, "stop">,
  by: number
): ReadonlyArray<Effect.Effect<void>> => {
  const reasons = node.beginCancel(rung, reason)
  const { controls } = node
  if (controls.interruptUnsafe === undefined) return reasons.map((each) => controls.requestInterrupt(each))
  for (const each of reasons) controls.interruptUnsafe(each, by)
  return none
}

const none: ReadonlyArray<never> = []

/** The reason for which what lived in a scope ends with it: the scope's own, if that was cancelled. */
export const reasonOfEnd = (
  exit: Exit.Exit<unknown, unknown>,
  parent: ThreadNode,
  at: number
): CancelReason.CancelReason =>
  Option.getOrElse(CancelReason.fromExit(exit), () => ({
    // Outside threads only a scope can end.
    ...(parent.parentNode === undefined
      ? CancelReason.parentEnded(parent.name, "Its scope has closed")
      : CancelReason.parentEnded(parent.name)),
    by: parent.name,
    at
  }))

/** Asks on one rung, whatever it takes there. Returns at once; what came of an unwind is told when it is known. */
export const ask = (
  node: ThreadNode,
  rung: Escalation.Rung,
  reason: CancelReason.CancelReason,
  unwound?: (outcome: UnwindOutcome) => void
): Effect.Effect<void> => {
  const { unwind, kill } = node.controls
  switch (rung) {
    case "stop":
      return stop(node, reason)
    case "interrupt":
      return interrupt(node, reason)
    case "unwind": {
      const asked = interrupt(node, reason, rung)
      if (Option.isNone(unwind)) return asked
      const attempt = unwound === undefined ? unwind.value : Effect.map(unwind.value, unwound)
      return Effect.andThen(asked, Effect.forkDetach(attempt, { startImmediately: true }))
    }
    case "kill": {
      const asked = interrupt(node, reason, rung)
      // Its exit says what it was cancelled for first.
      return Option.isNone(kill)
        ? asked
        : Effect.andThen(
            asked,
            Effect.suspend(() => kill.value(node.reason ?? reason))
          )
    }
  }
}
