/**
 * Runs the releases that a hanging release or a broken finalizer holds up.
 *
 * A release is due if its scope is closing, or if it belongs to the scope of a thread whose body and children have come to
 * their releases. Other leases may still be in use by code that runs on.
 *
 * Invariants:
 * 1. Each release starts once, in the order in which its scope would have started it; those of children come first.
 * 2. A release that takes longer than the rest of the time goes on, but no other release waits for it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as CancelReason from "../CancelReason.ts"
import * as Ledger from "./ledger.ts"
import type { LeaseEntry } from "./ledger.ts"
import { inOrder } from "./sequence.ts"
import type { ThreadNode } from "./threadNode.ts"
import { endOf, within } from "./waiting.ts"

/** Runs the due releases of a thread and its descendants within `millis` altogether. Undefined if none is due. */
export const run = (
  node: ThreadNode,
  exit: Exit.Exit<unknown, unknown>,
  millis: number
): Effect.Effect<void> | undefined => {
  const entries = due(node)
  if (entries.length === 0) return undefined
  const end = node.clock.currentTimeMillisUnsafe() + millis
  return inOrder(entries, (entry) =>
    Effect.suspend(() => {
      const { reason } = entry.node
      // A descendant has a reason of its own.
      const own = entry.node === node || reason === undefined ? exit : Exit.failCause(CancelReason.toCause(reason))
      return Effect.flatMap(entry.release!.takeOver(own), (fiber) => {
        // The scope may have come to this release meanwhile.
        if (fiber === undefined) return Effect.void
        const left = end - node.clock.currentTimeMillisUnsafe()
        return fiber.pollUnsafe() !== undefined || left <= 0 ? Effect.void : within(endOf(fiber), left)
      })
    })
  )
}

const due = (top: ThreadNode): ReadonlyArray<LeaseEntry> => {
  const entries: Array<LeaseEntry> = []
  const nodes = [...top.withDescendants()]
  /** Threads with a descendant whose code may still run. */
  const inUse = new Set<ThreadNode>()
  for (const node of nodes.toReversed()) {
    const ends = node.phase === "cleanup" && !inUse.has(node)
    if (!ends && node !== top) inUse.add(node.parentNode!)
    for (const entry of Ledger.held(node)) {
      if (entry.state !== "held" || entry.release === undefined) continue
      const { scope } = entry.release
      if (scope.state._tag === "Closed" || (ends && scope === node.scope)) entries.push(entry)
    }
  }
  return entries
}
