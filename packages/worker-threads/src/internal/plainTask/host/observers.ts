/**
 * Whether anybody could see the calls of a light pool: a dump, a metric, a shutdown or a span. All of these need
 * `@quiesce/core` or a fiber. `@quiesce/core` names itself on `globalThis` when it is loaded. Nothing here loads Effect.
 *
 * Invariant: until `@quiesce/core` is loaded, its name is an accessor without a value. Setting the value makes it the plain
 * property that it would have been, and calls the listeners.
 */
import { currentFiberKey } from "@quiesce/core/internal/plainHost"

const core = Symbol.for("~@quiesce/core")

const registry = globalThis as { [core]?: unknown; readonly [currentFiberKey]?: unknown }

const listeners: Set<() => void> = new Set()

/** Whether a call of this moment has an observer. */
export const isObserved = (): boolean => registry[core] !== undefined || registry[currentFiberKey] !== undefined

/** Calls `observed` when `@quiesce/core` is loaded later. The returned function removes the observer. */
export const onObserved = (observed: () => void): (() => void) => {
  listeners.add(observed)
  if (registry[core] === undefined) Object.defineProperty(globalThis, core, { configurable: true, get: () => {}, set })
  return () => {
    listeners.delete(observed)
  }
}

const set = (value: unknown): void => {
  Object.defineProperty(globalThis, core, { configurable: true, enumerable: true, writable: true, value })
  for (const observed of Array.from(listeners)) observed()
  listeners.clear()
}
