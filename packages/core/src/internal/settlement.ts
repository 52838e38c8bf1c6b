/**
 * The one exit of a thread and those who wait for it.
 *
 * Invariants:
 * 1. The exit is set once.
 * 2. The node has settled, and is out of the tree, before any waiter hears of the exit.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Ledger from "./ledger.ts"
import type { ThreadNode } from "./threadNode.ts"

export class Settlement<A, E> {
  private settled: Exit.Exit<A, E> | undefined = undefined
  private waiters: Array<(exit: Exit.Exit<A, E>) => void> | undefined = undefined
  protected readonly node: ThreadNode<A, E>

  constructor(node: ThreadNode<A, E>) {
    this.node = node
  }

  get exit(): Effect.Effect<Exit.Exit<A, E>> {
    if (this.settled !== undefined) return Effect.succeed(this.settled)
    return Effect.callback((resume) => {
      if (this.settled !== undefined) return resume(Effect.succeed(this.settled))
      const waiter = (exit: Exit.Exit<A, E>) => resume(Effect.succeed(exit))
      if (this.waiters === undefined) this.waiters = [waiter]
      else this.waiters.push(waiter)
      return Effect.sync(() => {
        const index = this.waiters?.indexOf(waiter) ?? -1
        if (index >= 0) this.waiters!.splice(index, 1)
      })
    })
  }

  poll(): Exit.Exit<A, E> | undefined {
    return this.settled
  }

  settle(exit: Exit.Exit<A, E>, abandoned: boolean): void {
    if (this.settled !== undefined) return
    this.settled = exit
    // First, as whoever hears of the end may end the parent in the same step, and its account with it.
    Ledger.addCountsToParent(this.node)
    this.node.settle(exit, abandoned)
    const waiters = this.waiters
    this.waiters = undefined
    if (waiters !== undefined) for (const waiter of waiters) waiter(exit)
  }
}
