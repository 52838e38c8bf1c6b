/**
 * Requests a thread's end on each of the rungs. No function here waits for the result.
 *
 * Invariant: a thread is not asked again on the same rung with the same reason, not even by another caller.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as CancelReason from "../CancelReason.ts"
import type * as Escalation from "../Escalation.ts"
import { reasonOfExit } from "./exitReason.ts"
import { inOrder } from "./sequence.ts"
import type { UnwindOutcome } from "./threadControls.ts"
import { noteStep, type ThreadNode } from "./threadNode.ts"

/** Asks a thread, and all its descendants, to stop. */
export const stop = (node: ThreadNode, reason: CancelReason.CancelReason): Effect.Effect<void> => {
  if (!node.isAlive) return Effect.void
  const asked = node.beginStop(reason) ? node.controls.requestStop(reason) : Effect.void
  if (node.firstChild === undefined) return asked
  return Effect.andThen(
    asked,
    inOrder([...node.children()], (child) => stop(child, node.reason ?? reason))
  )
}

/**
 * Cancels a thread on a rung and requests its interrupt. The caller can't be interrupted between the two steps,
 * otherwise the thread would count as cancelled without a request.
 */
export const interrupt = (
  node: ThreadNode,
  reason: CancelReason.CancelReason,
  rung: Exclude<Escalation.Rung, "stop"> = "interrupt"
): Effect.Effect<void> =>
  Effect.uninterruptible(
    Effect.withFiber((by) => {
      const requests = interruptUnsafe(node, reason, rung, by.id)
      return requests === none ? Effect.void : inOrder(requests, identity)
    })
  )

/** The same without an Effect. The caller runs the returned requests, uninterruptibly, in the same step. */
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

/** The reason with which a closing scope ends its threads: the reason of the scope's exit, if there is one. */
export const reasonOfEnd = (
  exit: Exit.Exit<unknown, unknown>,
  parent: ThreadNode,
  at: number
): CancelReason.CancelReason =>
  reasonOfExit(exit) ?? {
    // The root of the tree never ends. Only a scope can.
    ...(parent.parentNode === undefined
      ? CancelReason.parentEnded(parent.name, { message: "Its scope has closed" })
      : CancelReason.parentEnded(parent.name)),
    by: parent.name,
    at
  }

/**
 * Asks a thread on one rung and returns at once. A thread that lacks the rung is interrupted. `unwound` is called later, with
 * the outcome of an unwind.
 */
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
      if (Option.isNone(unwind)) return interrupt(node, reason)
      const attempt = Effect.map(unwind.value, (outcome) => {
        noteStep?.({ _tag: "Unwound", node, outcome })
        unwound?.(outcome)
      })
      return Effect.andThen(interrupt(node, reason, rung), Effect.forkDetach(attempt, { startImmediately: true }))
    }
    case "kill":
      if (Option.isNone(kill)) return interrupt(node, reason)
      return Effect.andThen(
        interrupt(node, reason, rung),
        // The exit of the thread has the first reason.
        Effect.suspend(() => kill.value(node.reason ?? reason))
      )
  }
}
