/**
 * Counts the listeners that are put on AbortSignals and taken off again while it watches.
 *
 * Invariants:
 * 1. From the first watch on the methods of AbortSignals are wrapped; without an open watch they only pass on.
 * 2. At most one watch is open: the one that began last.
 *
 * @since 0.1.0
 */

/**
 * A watch on all AbortSignals. `listeners` is how many were added and not removed since it began.
 *
 * @category models
 * @since 0.1.0
 */
export interface Watch {
  readonly listeners: () => number
  readonly end: () => void
}

class Open implements Watch {
  readonly isOn: () => boolean
  private readonly live: Map<EventTarget, Set<unknown>> = new Map()

  constructor(isOn: () => boolean) {
    this.isOn = isOn
  }

  added(signal: EventTarget, listener: unknown): void {
    if (!this.isOn()) return
    const known = this.live.get(signal)
    if (known === undefined) this.live.set(signal, new Set([listener]))
    else known.add(listener)
  }

  removed(signal: EventTarget, listener: unknown): void {
    this.live.get(signal)?.delete(listener)
  }

  listeners(): number {
    let count = 0
    for (const known of this.live.values()) count += known.size
    return count
  }

  end(): void {
    if (open === this) open = undefined
  }
}

let open: Open | undefined
let isWrapped = false

/** Wrapped once, as each change of a prototype makes the engine forget what it has optimized. */
const wrap = (): void => {
  if (isWrapped) return
  isWrapped = true
  const prototype = AbortSignal.prototype
  prototype.addEventListener = function (this: AbortSignal, ...args: Parameters<EventTarget["addEventListener"]>) {
    open?.added(this, args[1])
    // Looked up each time: somebody else may have put something over it meanwhile.
    EventTarget.prototype.addEventListener.apply(this, args)
  }
  prototype.removeEventListener = function (
    this: AbortSignal,
    ...args: Parameters<EventTarget["removeEventListener"]>
  ) {
    open?.removed(this, args[1])
    EventTarget.prototype.removeEventListener.apply(this, args)
  }
}

/**
 * Begins to watch. Listeners that are added while `isOn` says no are not counted: they are somebody else's.
 *
 * @category constructors
 * @since 0.1.0
 */
export const watch = (isOn: () => boolean = () => true): Watch => {
  wrap()
  return (open = new Open(isOn))
}
