/**
 * Ends the threads of a closing scope.
 *
 * A scope runs its finalizers one after another, but its threads are to end at the same time, and none of them may wait for the
 * graces of the others. The first finalizer therefore starts one climb with all threads of the scope. Each finalizer still
 * waits for its own thread alone, so a lease from before a thread is released after the thread has ended.
 */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type * as CancelReason from "../CancelReason.ts"
import * as Climb from "./climb.ts"
import { CurrentNode } from "./currentThread.ts"
import * as Ladder from "./ladder.ts"
import { forkWithFinalizer } from "./effectInternals.ts"
import { atOnce, inOrder } from "./sequence.ts"
import type { ThreadNode } from "./threadNode.ts"
import { endOf, eitherOf, within } from "./waiting.ts"

/** The live threads of an open scope, or the climb with those of a closing scope. */
interface Members {
  readonly nodes: Set<ThreadNode>
  climb: Fiber.Fiber<unknown> | undefined
}

const ofScope = new WeakMap<Scope.Scope, Members>()

const membersOf = (scope: Scope.Scope): Members => {
  let members = ofScope.get(scope)
  if (members === undefined) ofScope.set(scope, (members = { nodes: new Set(), climb: undefined }))
  return members
}

/** Ends a thread with a scope other than its parent's own. */
export const link = (node: ThreadNode, scope: Scope.Scope): void => {
  const members = membersOf(scope)
  members.nodes.add(node)
  // A link that leaves its scope calls its finalizer and drops the effect.
  node.link = forkWithFinalizer(scope, (exit) => {
    if (node.isAlive) return end(node, members, exit)
    members.nodes.delete(node)
    return Effect.void
  })
}

/** The finalizer of a live thread. */
const end = (node: ThreadNode, members: Members, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    if (!node.isAlive) return Effect.void
    const current = fiber.getRef(CurrentNode)
    // A thread that closes its own scope does not wait for itself.
    const isSelf = node.contains(current)
    if (members.nodes.size === 1 && !isSelf) return Climb.endAll([node], reasonOf(node, exit))
    const own = isSelf
      ? Ladder.interrupt(node, reasonOf(node, exit))
      : Effect.suspend(() => awaitEnd(node, members.climb))
    if (members.climb !== undefined) return own
    const nodes = Array.from(members.nodes)
    const around = nodes.filter((member) => member !== node && member.contains(current))
    const others = nodes.filter((member) => !member.contains(current))
    return inOrder(
      [
        inOrder(around, (member) => Climb.askFirst(member, reasonOf(member, exit))),
        Effect.map(Effect.forkDetach(climb(others, exit), { startImmediately: true }), (started) => {
          members.climb = started
        }),
        own
      ],
      identity
    )
  })

const reasonOf = (node: ThreadNode, exit: Exit.Exit<unknown, unknown>): CancelReason.CancelReason =>
  Ladder.reasonOfEnd(exit, node.parentNode!, node.clock.currentTimeMillisUnsafe())

/** The threads of a scope may have several parents, each of which is named in a reason. */
const climb = (nodes: ReadonlyArray<ThreadNode>, exit: Exit.Exit<unknown, unknown>): Effect.Effect<unknown> => {
  const byParent = Map.groupBy(nodes, (node) => node.parentNode)
  return atOnce(Array.from(byParent.values(), (group) => Climb.endAll(group, reasonOf(group[0]!, exit))))
}

/** Waits for the end of a thread. Fails with the defects of adapters if the climb is over. */
const awaitEnd = (node: ThreadNode, climb: Fiber.Fiber<unknown> | undefined): Effect.Effect<void> => {
  if (climb === undefined) return Effect.void
  return Effect.flatMap(within(eitherOf(Climb.endsOf([node]), endOf(climb)), Infinity), () => {
    const exit = climb.pollUnsafe()
    return exit?._tag === "Failure" ? Effect.failCause(exit.cause) : Effect.void
  })
}
