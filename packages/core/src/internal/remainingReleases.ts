/**
 * Runs the releases that a hanging body, a hanging release or a broken finalizer holds up.
 *
 * Invariants:
 * 1. Each release starts once, the release of the latest lease first, also if that lease was acquired during the releases;
 *    those of children come first.
 * 2. A release that takes longer than the rest of the time goes on, but no other release waits for it. The time is over
 *    when another caller has abandoned the thread.
 * 3. A lease in a scope that other code owns is left to that scope.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as CancelReason from "../CancelReason.ts"
import * as Ledger from "./ledger.ts"
import type { LeaseEntry } from "./ledger.ts"
import { inOrder } from "./sequence.ts"
import { onlyWaits, type ThreadNode } from "./threadNode.ts"
import { eitherOf, endOf, type Listen, within } from "./waiting.ts"

/** The leases to release, in order. */
export type Due = ReadonlyArray<LeaseEntry>

/** Runs releases of a thread and its descendants within `millis` altogether. */
export const run = (
  node: ThreadNode,
  due: Due,
  exit: Exit.Exit<unknown, unknown>,
  millis: number
): Effect.Effect<void> => {
  const end = node.clock.currentTimeMillisUnsafe() + millis
  const release = (entry: LeaseEntry): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { reason } = entry.node
      // A descendant has a reason of its own.
      const own = entry.node === node || reason === undefined ? exit : Exit.failCause(CancelReason.toCause(reason))
      return Effect.flatMap(entry.release!.takeOver(own), (fiber) => {
        // The scope may have come to this release meanwhile.
        if (fiber === undefined) return Effect.void
        const left = end - node.clock.currentTimeMillisUnsafe()
        return fiber.pollUnsafe() !== undefined || left <= 0
          ? Effect.void
          : within(eitherOf(endOf(fiber), endOfThread(node)), left)
      })
    })
  return inOrder(due, (entry) => Effect.suspend(() => inOrder([...newerThan(entry), entry], release)))
}

/** The leases that running code has acquired in the scope of a lease during the releases before. */
const newerThan = function* (entry: LeaseEntry): Generator<LeaseEntry> {
  for (const newer of Ledger.held(entry.node)) {
    if (newer === entry) return
    if (isPending(newer) && newer.release!.scope === entry.release!.scope) yield newer
  }
}

const endOfThread =
  (node: ThreadNode): Listen =>
  (done) => {
    if (node.isAlive)
      return node.onSettled(() => {
        done()
        return onlyWaits
      })
    done()
    return () => {}
  }

/** The leases of an ended body whose scope has closed without their releases, because a finalizer ended the closing fiber. */
export const behindBrokenFinalizer = (node: ThreadNode): Due =>
  Array.from(Ledger.held(node)).filter((entry) => isPending(entry) && entry.release!.scope.state._tag === "Closed")

/** The leases of a thread, and of its descendants, that nobody else would release if the thread is abandoned. */
export const ofAbandoned = (top: ThreadNode): Due => {
  let foreign: ReadonlySet<Scope.Scope> | undefined
  const nodes = [...top.withDescendants()].toReversed()
  return nodes.flatMap((node) =>
    node.account?.latest === undefined
      ? []
      : Array.from(Ledger.held(node)).filter(
          (entry) => isPending(entry) && !(foreign ??= scopesAround(top)).has(entry.release!.scope)
        )
  )
}

const isPending = (entry: LeaseEntry): boolean => entry.state === "held" && entry.release !== undefined

/** The known scopes in which a thread and its ancestors were spawned. */
const scopesAround = (node: ThreadNode): ReadonlySet<Scope.Scope> => {
  const scopes = new Set<Scope.Scope>()
  for (let at: ThreadNode | undefined = node; at !== undefined; at = at.parentNode) {
    if (at.link?.parent !== undefined) scopes.add(at.link.parent)
    if (at !== node) scopes.add(at.scope)
  }
  return scopes
}
