/**
 * The one exit of a thread.
 *
 * Invariants:
 * 1. The exit is set once.
 * 2. The node has settled, and is out of the tree, before any waiter gets the exit.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { interruptsOnly } from "./interruptions.ts"
import * as Ledger from "./ledger.ts"
import type { ThreadNode } from "./threadNode.ts"
import * as Unjoined from "./unjoined.ts"

export class Settlement<A, E> {
  private settled: Exit.Exit<A, E> | undefined
  protected readonly node: ThreadNode<A, E>

  constructor(node: ThreadNode<A, E>) {
    this.node = node
  }

  get exit(): Effect.Effect<Exit.Exit<A, E>> {
    if (this.settled?._tag === "Success") return Effect.succeed(this.settled)
    return Effect.callback((resume) => {
      if (this.settled !== undefined) return resume(Effect.succeed(received(this.node, this.settled)))
      return Effect.sync(this.node.onSettled((exit) => resume(Effect.succeed(exit))))
    })
  }

  poll(): Exit.Exit<A, E> | undefined {
    return this.settled
  }

  /** `context` has the loggers for a failure that is not received. */
  settle(exit: Exit.Exit<A, E>, abandoned: boolean, context?: Context.Context<never>): void {
    if (this.settled !== undefined) return
    this.settled = exit
    // First, because a notified waiter may end the parent in the same step, and the parent's counts with it.
    Ledger.addCountsToParent(this.node)
    // An interruption is never logged as a failure that nobody received.
    const failure = exit._tag === "Success" || interruptsOnly(exit.cause) ? undefined : exit.cause
    const scope = failure === undefined ? undefined : scopeOf(this.node)
    const receipt = this.node.settle(exit, abandoned)
    if (failure === undefined || receipt === "Received") return
    const group = receipt === "Kept" ? this.node.group : undefined
    Unjoined.add(this.node, failure, context ?? Context.empty(), { scope: group?.scopeOfOrigin ?? scope, group })
  }
}

/** The scope that a thread was spawned in, before the thread leaves it; undefined for a scope that never closes. */
const scopeOf = ({ group, link, parentNode }: ThreadNode): Scope.Scope | undefined => {
  if (link !== undefined) return link.parent
  if (group !== undefined) return group.scopeOfOrigin
  return parentNode?.parentNode === undefined ? undefined : parentNode.scope
}

/** Notes that code receives the exit of a settled node. */
export const received = <A, E>(node: ThreadNode<A, E>, exit: Exit.Exit<A, E>): Exit.Exit<A, E> => {
  if (exit._tag === "Failure") Unjoined.received(node, exit.cause)
  return exit
}
