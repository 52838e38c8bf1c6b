/**
 * Ends the threads of a closing scope.
 *
 * A scope runs its finalizers one after another, but its threads are to end at the same time, and none of them may wait for the
 * graces of the others. The first finalizer therefore starts one climb with all threads of the scope. Each finalizer still
 * waits for its own thread alone, so a lease from before a thread is released after the thread has ended.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type * as CancelReason from "../CancelReason.ts"
import * as Climb from "./climb.ts"
import { CurrentNode } from "./currentThread.ts"
import * as Ladder from "./ladder.ts"
import { inOrder } from "./sequence.ts"
import type { ThreadNode } from "./threadNode.ts"
import { endOf, eitherOf, within } from "./waiting.ts"

/** The climb with all threads of a closing scope. */
interface Climbing {
  readonly nodes: ReadonlySet<ThreadNode>
  readonly fiber: Fiber.Fiber<void>
}

const closing = new WeakMap<Scope.Scope, Climbing>()

/** The finalizer of a live thread in a scope other than its parent's own. */
export const end = (node: ThreadNode, scope: Scope.Scope, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    if (!node.isAlive) return Effect.void
    const reason = Ladder.reasonOfEnd(exit, node.parentNode!, node.clock.currentTimeMillisUnsafe())
    const current = fiber.getRef(CurrentNode)
    const climbing = closing.get(scope)
    if (climbing?.nodes.has(node) === true) return awaitEnd(node, climbing)
    // A thread that closes its own scope does not wait for itself.
    const isSelf = node.contains(current)
    const alone = isSelf ? Ladder.interrupt(node, reason) : Climb.endAll([node], reason)
    if (climbing !== undefined) return alone
    const siblings = [...(node.parentNode?.children() ?? [])].filter(
      (child) => child !== node && child.link?.parent === scope
    )
    if (siblings.length === 0) return alone
    const around = siblings.filter((sibling) => sibling.contains(current))
    const others = siblings.filter((sibling) => !sibling.contains(current))
    return Effect.andThen(
      inOrder(around, (sibling) => Climb.askFirst(sibling, reason)),
      Effect.flatMap(start(scope, isSelf ? others : [node, ...others], reason), (started) =>
        isSelf ? alone : awaitEnd(node, started)
      )
    )
  })

const start = (
  scope: Scope.Scope,
  nodes: ReadonlyArray<ThreadNode>,
  reason: CancelReason.CancelReason
): Effect.Effect<Climbing> =>
  Effect.map(Effect.forkDetach(Climb.endAll(nodes, reason), { startImmediately: true }), (fiber) => {
    const climbing = { nodes: new Set(nodes), fiber }
    closing.set(scope, climbing)
    return climbing
  })

/** Waits for the end of a thread. Fails with the defects of adapters if the climb is over. */
const awaitEnd = (node: ThreadNode, { fiber }: Climbing): Effect.Effect<void> =>
  Effect.flatMap(within(eitherOf(Climb.endsOf([node]), endOf(fiber)), Infinity), () => {
    const exit = fiber.pollUnsafe()
    return exit?._tag === "Failure" ? exit : Effect.void
  })
