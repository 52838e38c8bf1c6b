/**
 * A watch on all that is made, and the wait for what is closing.
 *
 * Invariants:
 * 1. What is patched and hooked is so while a watch is open, and no longer.
 * 2. What the wait itself makes is seen by no watch.
 */
import { createHook, executionAsyncId } from "node:async_hooks"
import { clearTimeout, setImmediate, setTimeout } from "node:timers"
import type { LeftOver } from "../LeftOver.ts"
import * as Descriptors from "./descriptors.ts"
import { collect } from "./garbage.ts"
import { links } from "./link.ts"
import * as Listeners from "./listeners.ts"
import { type Made, open, type Reach, Sight } from "./made.ts"
import * as Resources from "./resources.ts"

/** An event loop may take as many turns to close a handle and tell so. */
const turns = 4

export class Watch {
  readonly sight: Sight
  /** The descriptors that were open before; whose the others are is not known. */
  private readonly before: ReadonlyMap<number, string> | undefined

  constructor(reach: Reach) {
    this.sight = new Sight(reach)
    this.before = reach === "own" ? undefined : links()
    if (open.size === 0) {
      Resources.install()
      Listeners.install()
      Descriptors.install()
    }
    open.add(this.sight)
  }

  end(): void {
    if (!open.delete(this.sight) || open.size > 0) return
    Descriptors.uninstall()
    Listeners.uninstall()
    Resources.uninstall()
  }

  /** What is left over, at once when that is nothing, or else when it is nothing or the limit in ms has passed. */
  leftOvers(within: number, ignore?: (leftOver: LeftOver) => boolean): Promise<ReadonlyArray<LeftOver>> {
    const { sight, before } = this
    sight.ended = sight.reach !== "all"
    const appeared = before === undefined ? [] : Descriptors.appeared(before, links())
    const remaining = (): ReadonlyArray<Made> =>
      [...sight.made, ...appeared].filter((made) => made.isThere() && ignore?.(leftOverOf(made)) !== true)
    return Resources.quietly(() => new Promise((resolve) => new Wait(remaining, within, resolve)))
  }
}

/**
 * Looks for some turns of the event loop, and then again after whatever has run.
 *
 * A listener on a signal that is garbage is not there, but only the engine knows. It is asked when the turns have
 * passed, and again at the limit; each time before the first look, which would keep the signal.
 */
class Wait {
  private readonly remaining: () => ReadonlyArray<Made>
  private readonly resolve: (leftOvers: ReadonlyArray<LeftOver>) => void
  private readonly timer: NodeJS.Timeout
  private readonly ownTurns = new Set<number>()
  private turnsLeft = turns
  private hasListeners = false
  private isLate = false
  private state: "Idle" | "Due" | "Over" = "Idle"
  private readonly hook = createHook({
    after: (id) => {
      if (!this.ownTurns.delete(id)) this.lookSoon()
    },
    destroy: () => this.lookSoon()
  })

  constructor(
    remaining: () => ReadonlyArray<Made>,
    within: number,
    resolve: (leftOvers: ReadonlyArray<LeftOver>) => void
  ) {
    this.remaining = remaining
    this.resolve = resolve
    this.timer = setTimeout(() => this.atLimit(), within)
    if (this.look().length === 0) this.give([])
    else {
      this.hook.enable()
      this.lookSoon()
    }
  }

  private lookSoon(): void {
    if (this.state !== "Idle") return
    this.state = "Due"
    Resources.quietly(() => setImmediate(() => this.turn()))
  }

  private turn(): void {
    if (this.state === "Over") return
    this.ownTurns.add(executionAsyncId())
    this.state = "Idle"
    if (--this.turnsLeft === 0 && this.hasListeners) {
      Resources.letGo()
      collect()
    }
    const remaining = this.look()
    if (remaining.length === 0 || (this.turnsLeft <= 0 && this.isLate)) this.give(remaining)
    else if (this.turnsLeft > 0) this.lookSoon()
  }

  /** What closes at the limit still gets its turns to be told of. */
  private atLimit(): void {
    this.isLate = true
    this.turnsLeft = turns
    this.lookSoon()
  }

  private look(): ReadonlyArray<Made> {
    const remaining = this.remaining()
    this.hasListeners = remaining.some((made) => made.kind === "listener")
    return remaining
  }

  private give(remaining: ReadonlyArray<Made>): void {
    if (this.state === "Over") return
    this.state = "Over"
    clearTimeout(this.timer)
    this.hook.disable()
    this.resolve(leftOversOf(remaining))
  }
}

/** In words. The ports of a worker that is left over itself, and the pipes of such a child process, go with it. */
const leftOversOf = (remaining: ReadonlyArray<Made>): ReadonlyArray<LeftOver> => {
  const kinds = new Set(remaining.map((made) => made.kind))
  return remaining
    .filter((made) => {
      const whole = made.partOf?.()
      return whole === undefined || whole === made.kind || !kinds.has(whole)
    })
    .map(leftOverOf)
}

const leftOverOf = (made: Made): LeftOver => ({
  kind: made.kind,
  what: made.what(),
  unref: made.unref(),
  madeAt: made.madeAt()
})
