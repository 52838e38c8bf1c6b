/**
 * Counts the listeners that are put on AbortSignals and taken off again while it watches.
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

/**
 * Begins to watch. Only one watch may be open at a time. Listeners that are added while `isOn` says no are not counted:
 * they are somebody else's.
 *
 * @category constructors
 * @since 0.1.0
 */
export const watch = (isOn: () => boolean = () => true): Watch => {
  const live = new Map<EventTarget, Set<unknown>>()
  const prototype = AbortSignal.prototype
  // Called with `this` below.
  // oxlint-disable-next-line typescript/unbound-method
  const { addEventListener, removeEventListener } = EventTarget.prototype
  prototype.addEventListener = function (this: AbortSignal, ...args: Parameters<typeof addEventListener>) {
    if (isOn()) live.set(this, (live.get(this) ?? new Set()).add(args[1]))
    addEventListener.apply(this, args)
  }
  prototype.removeEventListener = function (this: AbortSignal, ...args: Parameters<typeof removeEventListener>) {
    live.get(this)?.delete(args[1])
    removeEventListener.apply(this, args)
  }
  return {
    listeners: () => [...live.values()].reduce((sum, known) => sum + known.size, 0),
    end: () => {
      // What it hid shows again: the methods of EventTarget.
      Reflect.deleteProperty(prototype, "addEventListener")
      Reflect.deleteProperty(prototype, "removeEventListener")
    }
  }
}
