/** Looks for the stacks of threads that a shutdown could not end so far. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { Step } from "../Escalation.ts"
import * as Climb from "./climb.ts"
import { atOnce } from "./sequence.ts"
import type { ThreadNode } from "./threadNode.ts"
import { eitherOf, endOf, within } from "./waiting.ts"

/** The limit on the wait for a stack before a kill or an abandon, in milliseconds. A stack that comes later is reported, too. */
const patience = 1000

/**
 * Whether the next step kills or abandons a thread, so that its stack can't be had afterwards. Before an unwind no search
 * is needed, because the unwind itself reports the stack.
 */
export const isLastChance = (node: ThreadNode, rest: ReadonlyArray<Step>): boolean => {
  const next = rest.find(({ rung }) => Climb.hasRung(node, rung))
  return next === undefined || next.rung === "kill"
}

/**
 * Starts a search and waits for it. A thread that ends meanwhile needs no stack, and its shutdown is over. `begun` is
 * called with the fiber of a search that is not over at once, which may outlast the wait.
 */
export const search = (
  nodes: ReadonlyArray<ThreadNode>,
  defects: Array<unknown>,
  located: (node: ThreadNode, stack: string) => void,
  begun: (search: Fiber.Fiber<void>) => void
): Effect.Effect<void> => {
  if (nodes.length === 0) return Effect.void
  const locating = atOnce(
    nodes.map((node) =>
      Climb.guarded(
        () =>
          Effect.map(node.controls.locate, (stack) => {
            if (Option.isSome(stack)) located(node, stack.value)
          }),
        defects
      )
    )
  )
  return Effect.flatMap(Effect.forkChild(locating, { startImmediately: true }), (fiber) => {
    if (fiber.pollUnsafe() !== undefined) return Effect.void
    begun(fiber)
    return Effect.asVoid(within(eitherOf(endOf(fiber), Climb.endsOf(nodes)), patience))
  })
}
