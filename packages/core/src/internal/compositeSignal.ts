/**
 * A signal that aborts with the first of its sources, in the order of the DOM standard. A composite of composites follows
 * the sources of those, and also aborts when one of those is aborted by hand.
 *
 * Invariants:
 * 1. `aborted` and `reason` of the signal are right before the event of any signal that aborts with the same source, for
 *    each listener that was added to the source after the first composite. The event of the signal comes later.
 * 2. A composite that is `Following` is a dependent of each source and is in `derived` of each of its parents. Any other
 *    composite is a dependent of at most the source that will dispatch its event.
 * 3. An ended composite stays in `derived` of its parents while its own `derived` has a member, because an abort by hand
 *    reaches composites through disposed ones.
 */
import * as AbortListener from "./abortListener.ts"

type State =
  | { readonly _tag: "Following" }
  | { readonly _tag: "Disposed" }
  | { readonly _tag: "Aborted"; readonly reason: unknown }

const following: State = { _tag: "Following" }
const disposed: State = { _tag: "Disposed" }

const key: unique symbol = Symbol("@quiesce/core/CompositeSignal")

interface Composed extends AbortSignal {
  [key]?: CompositeSignal
}

const compositeOf = (signal: Composed): CompositeSignal | undefined => signal[key]

/** Never changed. */
const none: ReadonlyArray<never> = []

/**
 * A composite without sources that lives as long as the program. V8 forgets the shape of composites in a garbage collection
 * that finds none, and the optimized code with the shape. The next tens of thousands of composites would take twice as long.
 */
let kept: CompositeSignal | undefined

/** The number of composites that were made, for the order of their events. */
let made = 0

export class CompositeSignal implements AbortListener.Dependent, Disposable {
  readonly signal: AbortSignal
  private readonly controller = new AbortController()
  private readonly order = made++
  /** The composites among the signals that this composite was made of. */
  private parents: ReadonlyArray<CompositeSignal> = none
  /** The sources, those of the parents too. */
  private sources: ReadonlyArray<AbortListener.AbortListener> = none
  /** The links to the sources that had other dependents, the last one first. */
  private links: AbortListener.Link | undefined
  /** The composites that were made of this composite. Made for the first. */
  private derived: Set<CompositeSignal> | undefined
  private state: State = following

  constructor(signals: ReadonlyArray<AbortSignal>) {
    this.signal = this.controller.signal
    const own: Composed = this.signal
    own[key] = this
    if (signals.length === 0) return
    kept ??= new CompositeSignal(none)
    let isComposed = false
    for (const signal of signals) {
      const parent = compositeOf(signal)
      if (parent !== undefined) isComposed = true
      if (!(parent?.isAborted ?? signal.aborted)) continue
      this.state = { _tag: "Aborted", reason: signal.reason }
      this.dispatch()
      return
    }
    this.sources = isComposed ? this.sourcesOf(signals) : signals.map(AbortListener.of)
    for (const source of this.sources) this.links = source.follow(this, this.links)
  }

  /** The sources of signals that include composites, each once. The composites become parents. */
  private sourcesOf(signals: ReadonlyArray<AbortSignal>): ReadonlyArray<AbortListener.AbortListener> {
    const sources = new Set<AbortListener.AbortListener>()
    const parents: Array<CompositeSignal> = []
    for (const signal of signals) {
      const parent = compositeOf(signal)
      if (parent === undefined) sources.add(AbortListener.of(signal))
      else if (parent.addDerived(this)) {
        parents.push(parent)
        for (const source of parent.sources) sources.add(source)
      }
    }
    this.parents = parents.slice()
    return Array.from(sources)
  }

  private addDerived(composite: CompositeSignal): boolean {
    const derived = (this.derived ??= new Set())
    if (derived.has(composite)) return false
    derived.add(composite)
    return true
  }

  get isAborted(): boolean {
    this.settle()
    return this.state._tag === "Aborted"
  }

  get reason(): unknown {
    return this.state._tag === "Aborted" ? this.state.reason : undefined
  }

  /**
   * Aborts with a source that has aborted. If several have, the first to abort is the one whose listener has not been
   * called yet, because the abort of `current` came from a listener of that source.
   */
  settle(current?: AbortListener.AbortListener): void {
    if (this.state !== following) return
    let source = current
    for (const other of this.sources) {
      if (other === current || !other.signal.aborted) continue
      source = other
      break
    }
    if (source !== undefined) this.end({ _tag: "Aborted", reason: source.signal.reason }, source)
  }

  dispatch(): void {
    if (this.state._tag === "Aborted") this.controller.abort(this.state.reason)
  }

  abort(reason: unknown = AbortSignal.abort().reason): void {
    const reached = this.withDerived().filter((one) => !one.isAborted)
    for (const one of reached) one.end({ _tag: "Aborted", reason }, undefined)
    for (const one of reached) one.dispatch()
  }

  /** This composite, also after its disposal, and all live composites made of it, in the order of their creation. */
  private withDerived(): ReadonlyArray<CompositeSignal> {
    const reached = new Set<CompositeSignal>([this])
    for (const one of reached) for (const child of one.derived ?? []) reached.add(child)
    return Array.from(reached)
      .filter((one) => one === this || one.state !== disposed)
      .toSorted((a, b) => a.order - b.order)
  }

  [Symbol.dispose](): void {
    this.settle()
    if (this.state === following) this.end(disposed, undefined)
  }

  /** Leaves all sources but the one that will dispatch the event. */
  private end(state: State, dispatching: AbortListener.AbortListener | undefined): void {
    this.state = state
    if (state._tag === "Aborted") Object.setPrototypeOf(this.signal, aborting)
    const { sources } = this
    let link = this.links
    this.sources = none
    this.links = undefined
    for (const source of sources) if (source !== dispatching) source.unfollowFirst(this)
    for (; link !== undefined; link = link.sibling) if (link.source !== dispatching) link.source.unfollow(link)
    if (this.parents.length === 0) return
    const ended: Array<CompositeSignal> = [this]
    for (const one of ended) {
      if (one.state === following || (one.derived?.size ?? 0) > 0) continue
      const { parents } = one
      one.parents = none
      for (const parent of parents) if (parent.derived?.delete(one)) ended.push(parent)
    }
  }
}

/**
 * The members of a signal between the abort of a source and the event of the signal. The signal stays the platform's own,
 * so that it is accepted wherever an AbortSignal is. The prototype of a signal is changed only then, because the change
 * takes as long as all other steps of a composite.
 */
const aborting: object = /* @__PURE__ */ Object.setPrototypeOf(
  {
    get aborted(): boolean {
      return true
    },
    get reason(): unknown {
      return (this as Composed)[key]?.reason
    },
    throwIfAborted(this: AbortSignal) {
      throw this.reason
    }
  },
  AbortSignal.prototype
)
