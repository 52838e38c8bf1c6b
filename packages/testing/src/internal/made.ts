/**
 * What is made while somebody watches, and who watches.
 *
 * Invariants:
 * 1. A thing is told to each open watch that was meant to see it, once, when it is made.
 * 2. A watch that is bound to an effect sees what that effect makes, also within watches of its own, and what is made
 *    beside it by nobody who is watched: of that it can't be told apart. What another watched effect makes it does not
 *    see.
 * 3. When its effect has ended, such a watch sees only what that has caused; one of just what an effect makes sees nothing
 *    else at any time.
 */
import { AsyncLocalStorage } from "node:async_hooks"
import type { Kind } from "../LeftOver.ts"

/** Something that was made. The answers change while it lives. */
export interface Made {
  readonly kind: Kind
  readonly isThere: () => boolean
  readonly what: () => string
  readonly unref: () => boolean
  readonly madeAt: () => ReadonlyArray<string>
  /** As which part of a worker or child process Node has made it; it goes with that. */
  readonly partOf?: () => Kind | undefined
}

const sweepFrom = 1000

/** Whose things a watch sees: all that is made, what an effect makes or nobody who is watched, or just what it makes. */
export type Reach = "all" | "bound" | "own"

/** What sees. */
export class Sight {
  readonly made: Set<Made> = new Set()
  readonly outer: Sight | undefined
  readonly reach: Reach
  ended = false
  private sweepAt = sweepFrom

  constructor(reach: Reach) {
    this.reach = reach
    this.outer = current.getStore()
  }

  add(made: Made): void {
    this.made.add(made)
    if (this.made.size < this.sweepAt) return
    // Not all that has gone is taken out when it goes.
    for (const one of this.made) if (!one.isThere()) this.made.delete(one)
    this.sweepAt = Math.max(sweepFrom, 2 * this.made.size)
  }

  /** Whether it is to see what `maker` makes, an effect that is watched, if any. */
  sees(maker: Sight | undefined): boolean {
    if (this.reach === "all") return true
    if (maker === undefined) return this.reach === "bound" && !this.ended
    for (let sight: Sight | undefined = maker; sight !== undefined; sight = sight.outer) {
      if (sight === this) return true
    }
    return false
  }
}

/** The innermost effect that is watched and that runs now. */
export const current: AsyncLocalStorage<Sight> = new AsyncLocalStorage()

/** All that see. */
export const open: Set<Sight> = new Set()

/** Whether some watch sees more than what its own effect makes. */
export const followsAll = (): boolean => {
  for (const sight of open) if (sight.reach !== "own") return true
  return false
}

export const tell = (made: Made): void => {
  const maker = current.getStore()
  for (const sight of open) if (sight.sees(maker)) sight.add(made)
}

export const forget = (made: Made): void => {
  for (const sight of open) sight.made.delete(made)
}
