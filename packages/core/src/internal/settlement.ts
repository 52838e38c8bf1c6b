/**
 * The one exit of a thread.
 *
 * Invariants:
 * 1. The exit is set once.
 * 2. The node has settled, and is out of the tree, before any waiter gets the exit.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Ledger from "./ledger.ts"
import type { ThreadNode } from "./threadNode.ts"

export class Settlement<A, E> {
  private settled: Exit.Exit<A, E> | undefined = undefined
  protected readonly node: ThreadNode<A, E>

  constructor(node: ThreadNode<A, E>) {
    this.node = node
  }

  get exit(): Effect.Effect<Exit.Exit<A, E>> {
    if (this.settled !== undefined) return Effect.succeed(this.settled)
    return Effect.callback((resume) => {
      if (this.settled !== undefined) return resume(Effect.succeed(this.settled))
      return Effect.sync(this.node.onSettled((exit) => resume(Effect.succeed(exit))))
    })
  }

  poll(): Exit.Exit<A, E> | undefined {
    return this.settled
  }

  settle(exit: Exit.Exit<A, E>, abandoned: boolean): void {
    if (this.settled !== undefined) return
    this.settled = exit
    // First, because a notified waiter may end the parent in the same step, and the parent's counts with it.
    Ledger.addCountsToParent(this.node)
    this.node.settle(exit, abandoned)
  }
}
