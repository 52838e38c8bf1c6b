/**
 * Trackers of the resources that are made while a watch is open, and the assignment of resources to trackers.
 *
 * Invariants:
 * 1. A new resource is reported once, to each open tracker that covers the code that made it.
 * 2. A tracker bound to an effect covers the resources of the effect, including nested watches, and the resources of unwatched
 *    code beside the effect, because the two can't be distinguished. It does not cover resources of another watched effect.
 * 3. After the end of the effect, a bound tracker covers only resources that the effect still causes. A tracker with reach
 *    "own" has this restriction from the beginning.
 */
import { AsyncLocalStorage } from "node:async_hooks"
import type { Kind } from "../../LeftOver.ts"

/** A resource that was made. The answers change during its life. */
export interface TrackedResource {
  readonly kind: Kind
  readonly isThere: () => boolean
  readonly what: () => string
  readonly unref: () => boolean
  readonly madeAt: () => ReadonlyArray<string>
  /** Whether the resource is a listener on an AbortSignal. */
  readonly isOnSignal?: boolean
  /** The handle itself or, for a listener, the handle behind its target, if any. */
  readonly handle?: () => unknown
  /** The worker, child process or handle that the resource belongs to, if any: both go together. */
  readonly partOf?: () => Kind | undefined
}

const sweepFrom = 1000

/**
 * Which resources a tracker covers: all; those of an effect and of unwatched code; or those of an effect only.
 * "listeners" covers the listeners of all code on AbortSignals, and records no places.
 */
export type Reach = "all" | "bound" | "own" | "listeners"

/** Collects the resources that a watch covers. */
export class Tracker {
  readonly resources: Set<TrackedResource> = new Set()
  readonly outer: Tracker | undefined
  readonly reach: Reach
  ended = false
  private sweepAt = sweepFrom

  constructor(reach: Reach) {
    this.reach = reach
    this.outer = currentTracker.getStore()
  }

  add(resource: TrackedResource): void {
    this.resources.add(resource)
    if (this.resources.size < this.sweepAt) return
    // Not every resource is removed at its end.
    for (const known of this.resources) if (!known.isThere()) this.resources.delete(known)
    this.sweepAt = Math.max(sweepFrom, 2 * this.resources.size)
  }

  /** Whether the tracker covers a resource that was made within the watched effect `maker`, if any. */
  covers(resource: TrackedResource, maker: Tracker | undefined): boolean {
    if (this.reach === "listeners") return resource.isOnSignal === true
    if (this.reach === "all") return true
    if (maker === undefined) return this.reach === "bound" && !this.ended
    for (let tracker: Tracker | undefined = maker; tracker !== undefined; tracker = tracker.outer) {
      if (tracker === this) return true
    }
    return false
  }
}

/** The tracker of the innermost watched effect that runs now. */
export const currentTracker: AsyncLocalStorage<Tracker> = new AsyncLocalStorage()

/** All open trackers. */
export const openTrackers: Set<Tracker> = new Set()

/** Whether an open tracker covers more than one effect, so that causes have to be followed through foreign code. */
export const followsAll = (): boolean => {
  for (const { reach } of openTrackers) if (reach === "all" || reach === "bound") return true
  return false
}

/** Whether an open tracker records where resources were made. */
export const recordsPlaces = (): boolean => {
  for (const { reach } of openTrackers) if (reach !== "listeners") return true
  return false
}

/** Reports a new resource to the trackers that cover it. */
export const report = (resource: TrackedResource): void => {
  const maker = currentTracker.getStore()
  for (const tracker of openTrackers) if (tracker.covers(resource, maker)) tracker.add(resource)
}

/** Removes a resource that has ended. */
export const forget = (resource: TrackedResource): void => {
  for (const tracker of openTrackers) tracker.resources.delete(resource)
}
