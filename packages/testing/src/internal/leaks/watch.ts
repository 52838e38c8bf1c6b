/**
 * A watch: begins to track resources, and reports those left over, after a wait for resources that are closing.
 *
 * Invariants:
 * 1. Patches and hooks are installed only while a watch that needs them is open.
 * 2. Resources made by the wait itself are not tracked.
 */
import { createHook, executionAsyncId } from "node:async_hooks"
import { clearTimeout, setImmediate, setTimeout } from "node:timers"
import type { LeftOver } from "../../LeftOver.ts"
import * as Descriptors from "./descriptors.ts"
import { links } from "./descriptorLinks.ts"
import * as Emitters from "./emitters.ts"
import { collect } from "./garbageCollection.ts"
import * as Listeners from "./listeners.ts"
import * as Resources from "./resources.ts"
import { openTrackers, type Reach, recordsPlaces, type TrackedResource, Tracker } from "./tracker.ts"

/** How many turns an event loop may need to close a handle and report the end. */
const turns = 4

/**
 * The pauses before further collections, in milliseconds. While the engine compiles a function on another thread, it keeps
 * all that the function refers to, so that a collection does not find that garbage.
 */
const pauses = [10, 30, 90]

const open = (tracker: Tracker): void => {
  if (openTrackers.size === 0) Listeners.install()
  const isFirst = !recordsPlaces()
  openTrackers.add(tracker)
  if (!isFirst || !recordsPlaces()) return
  Resources.install()
  Descriptors.install()
  Emitters.install()
}

const close = (tracker: Tracker): void => {
  if (!openTrackers.delete(tracker)) return
  if (tracker.reach !== "listeners" && !recordsPlaces()) {
    Emitters.uninstall()
    Descriptors.uninstall()
    Resources.uninstall()
  }
  if (openTrackers.size === 0) Listeners.uninstall()
}

/** Counts listeners, without a place and without a wait, so a count costs little. */
export class ListenerWatch {
  private readonly tracker = new Tracker("listeners")

  constructor() {
    open(this.tracker)
  }

  count(): number {
    let count = 0
    for (const resource of this.tracker.resources) if (resource.isThere()) count++
    return count
  }

  end(): void {
    close(this.tracker)
  }
}

export class Watch {
  readonly tracker: Tracker
  /** The descriptors that were open at the beginning; undefined for a watch that does not report descriptors. */
  private readonly before: ReadonlyMap<number, string> | undefined

  constructor(reach: Exclude<Reach, "listeners">) {
    this.tracker = new Tracker(reach)
    this.before = reach === "own" ? undefined : links()
    open(this.tracker)
  }

  end(): void {
    close(this.tracker)
  }

  /** Completes with the resources left over: at once without any, otherwise when all are closed or after `within` ms. */
  leftOvers(within: number, ignore?: (leftOver: LeftOver) => boolean): Promise<ReadonlyArray<LeftOver>> {
    const { tracker, before } = this
    tracker.ended = tracker.reach !== "all"
    const appeared = before === undefined ? [] : Descriptors.appeared(before, links())
    const remaining = (): ReadonlyArray<TrackedResource> =>
      withoutHandled([...tracker.resources, ...appeared].filter((resource) => resource.isThere())).filter(
        (resource) => ignore?.(leftOverOf(resource)) !== true
      )
    return Resources.quietly(() => new Promise((resolve) => new Wait(remaining, within, resolve)))
  }
}

/**
 * Checks the resources for some turns of the event loop, and again after any code has run.
 *
 * A listener on a garbage signal is not left over, but only the engine knows garbage. The engine collects when the turns
 * have passed, again after some pauses, and again at the limit. The collection comes before the first check of the turn,
 * because a check keeps the signal alive.
 */
class Wait {
  private readonly remaining: () => ReadonlyArray<TrackedResource>
  private readonly resolve: (leftOvers: ReadonlyArray<LeftOver>) => void
  private readonly timer: NodeJS.Timeout
  private readonly ownTurns = new Set<number>()
  private turnsLeft = turns
  private hasListeners = false
  private isLate = false
  private pausesTaken = 0
  private pause: NodeJS.Timeout | undefined = undefined
  private state: "Idle" | "Due" | "Over" = "Idle"
  private readonly hook = createHook({
    after: (id) => {
      if (!this.ownTurns.delete(id)) this.checkSoon()
    },
    destroy: () => this.checkSoon()
  })

  constructor(
    remaining: () => ReadonlyArray<TrackedResource>,
    within: number,
    resolve: (leftOvers: ReadonlyArray<LeftOver>) => void
  ) {
    this.remaining = remaining
    this.resolve = resolve
    this.timer = setTimeout(() => this.atLimit(), within)
    if (this.check().length === 0) this.give([])
    else {
      this.hook.enable()
      this.checkSoon()
    }
  }

  private checkSoon(): void {
    if (this.state !== "Idle") return
    this.state = "Due"
    Resources.quietly(() => setImmediate(() => this.turn()))
  }

  private turn(): void {
    if (this.state === "Over") return
    this.ownTurns.add(executionAsyncId())
    this.state = "Idle"
    if (--this.turnsLeft === 0 && this.hasListeners) {
      Resources.writeStacks()
      collect()
    }
    const remaining = this.check()
    if (remaining.length === 0) this.give(remaining)
    else if (this.turnsLeft > 0) this.checkSoon()
    else if (!this.collectsLater() && this.isLate) this.give(remaining)
  }

  /** Begins the next pause if a listener is left. Returns whether a collection is still to come. */
  private collectsLater(): boolean {
    if (!this.hasListeners) return false
    if (this.pause !== undefined) return true
    const pause = pauses[this.pausesTaken++]
    if (pause === undefined) return false
    this.pause = Resources.quietly(() => setTimeout(() => this.afterPause(), pause))
    return true
  }

  private afterPause(): void {
    this.pause = undefined
    this.turnsLeft = Math.max(this.turnsLeft, 1)
    this.checkSoon()
  }

  /** A resource that closes at the limit still gets the turns that its end takes. */
  private atLimit(): void {
    this.isLate = true
    this.turnsLeft = turns
    this.checkSoon()
  }

  private check(): ReadonlyArray<TrackedResource> {
    const remaining = this.remaining()
    this.hasListeners = remaining.some(({ kind }) => kind === "listener")
    return remaining
  }

  private give(remaining: ReadonlyArray<TrackedResource>): void {
    if (this.state === "Over") return
    this.state = "Over"
    clearTimeout(this.timer)
    clearTimeout(this.pause)
    this.hook.disable()
    this.resolve(leftOversOf(remaining))
  }
}

/** Omits the listeners on a target whose handle is itself among the resources. */
const withoutHandled = (resources: ReadonlyArray<TrackedResource>): ReadonlyArray<TrackedResource> => {
  const handles = new Set(resources.flatMap(({ handle, kind }) => (kind === "listener" ? [] : [handle?.()])))
  handles.delete(undefined)
  return resources.filter(({ handle, kind }) => kind !== "listener" || !handles.has(handle?.()))
}

/** The left-overs in words. The ports of a left-over worker and the pipes of a left-over child process are omitted. */
const leftOversOf = (remaining: ReadonlyArray<TrackedResource>): ReadonlyArray<LeftOver> => {
  const kinds = new Set(remaining.map(({ kind }) => kind))
  return remaining
    .filter((resource) => {
      const whole = resource.partOf?.()
      return whole === undefined || whole === resource.kind || !kinds.has(whole)
    })
    .map(leftOverOf)
}

const leftOverOf = (resource: TrackedResource): LeftOver => ({
  kind: resource.kind,
  what: resource.what(),
  unref: resource.unref(),
  madeAt: resource.madeAt()
})
