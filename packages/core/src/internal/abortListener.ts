/**
 * The one listener that the toolkit has on an AbortSignal, with the lists of callbacks and dependents behind it. Node
 * searches the listeners of a signal from the start for each addition and each removal, so n listeners cost n squared.
 *
 * The order is the DOM standard's. When a signal aborts, all dependents have its reason before the first event, and the
 * events of the dependents come after the event of the signal, in the order of their creation.
 *
 * Invariants:
 * 1. A signal has one listener of this module while it has a callback or a dependent, otherwise none.
 * 2. Each callback is called once, after the abort, or was removed before.
 * 3. Nothing here keeps a signal, callback or dependent alive after the signal was dropped or the member was removed.
 */
import { Entry, LinkedList } from "./linkedList.ts"

/** A signal that aborts with others. */
export interface Dependent {
  /** Called when a source has aborted, before any event. */
  readonly settle: (source: AbortListener) => void
  /** Dispatches the event of the dependent. */
  readonly dispatch: () => void
}

/** The place of a dependent in the list of one source. */
export class Link extends Entry<Dependent> {
  readonly source: AbortListener
  /** The next link of the same dependent, for the dependent's use. */
  readonly sibling: Link | undefined

  constructor(dependent: Dependent, source: AbortListener, sibling: Link | undefined) {
    super(dependent)
    this.source = source
    this.sibling = sibling
  }
}

export class AbortListener {
  readonly signal: AbortSignal
  private readonly callbacks = new LinkedList<() => void>()
  /** A dependent that was the only one when it came. It has no link, because most dependents have come and gone alone. */
  private first: Dependent | undefined
  /** The dependents that came later than the first one, in their order. */
  private readonly others = new LinkedList<Dependent>()
  /** The members of both lists, and the first dependent. */
  private size = 0
  /** Made for the first dependent. Its event comes just after the event of the signal. */
  private echo: AbortSignal | undefined

  constructor(signal: AbortSignal) {
    this.signal = signal
  }

  add(f: () => void): () => void {
    const entry = new Entry(f)
    this.callbacks.append(entry)
    this.enter()
    return () => {
      if (entry.remove()) this.leave()
    }
  }

  /** Adds a dependent, once. Returns the last link of the dependent: `links`, or a new link whose sibling is `links`. */
  follow(dependent: Dependent, links: Link | undefined): Link | undefined {
    if (this.first === dependent || this.others.last === dependent) return links
    this.echo ??= echoOf(this.signal)
    this.enter()
    if (this.first === undefined && this.others.isEmpty) {
      this.first = dependent
      return links
    }
    const link = new Link(dependent, this, links)
    this.others.append(link)
    return link
  }

  /** Removes a dependent that has no link. */
  unfollowFirst(dependent: Dependent): void {
    if (this.first !== dependent) return
    this.first = undefined
    this.leave()
  }

  unfollow(link: Link): void {
    if (link.remove()) this.leave()
  }

  private enter(): void {
    if (++this.size === 1) this.signal.addEventListener("abort", this.notify)
  }

  private leave(): void {
    if (--this.size === 0) this.signal.removeEventListener("abort", this.notify)
  }

  private readonly notify = (event: Event): void => {
    // An event that other code dispatches does not abort the signal.
    if (!this.signal.aborted) return
    this.signal.removeEventListener("abort", this.notify)
    this.first?.settle(this)
    this.others.forEach((dependent) => dependent.settle(this))
    const isFollowed = this.first !== undefined || !this.others.isEmpty
    const later = event.isTrusted && isFollowed ? this.echo : undefined
    later?.addEventListener("abort", () => this.dispatch(), { once: true })
    for (let entry = this.callbacks.removeFirst(); entry !== undefined; entry = this.callbacks.removeFirst()) {
      call(entry.value)
    }
    if (later === undefined) this.dispatch()
    // Where the event of the echo has come already, as for a composite on Node 24, no other event follows.
    else queueMicrotask(() => this.dispatch())
  }

  private dispatch(): void {
    const { first } = this
    this.first = undefined
    first?.dispatch()
    for (let entry = this.others.removeFirst(); entry !== undefined; entry = this.others.removeFirst()) {
      entry.value.dispatch()
    }
  }
}

const key: unique symbol = Symbol("@quiesce/core/AbortListener")

/** A table of many signals is slow to collect, so the listener is a property of its signal. */
interface Listened extends AbortSignal {
  [key]?: AbortListener
}

/** The listeners of signals that can't get a property. */
const ofFrozen = new WeakMap<AbortSignal, AbortListener>()

export const of = (signal: Listened): AbortListener => signal[key] ?? ofFrozen.get(signal) ?? make(signal)

const make = (signal: Listened): AbortListener => {
  const listener = new AbortListener(signal)
  if (Object.isExtensible(signal)) signal[key] = listener
  else ofFrozen.set(signal, listener)
  return listener
}

/**
 * The platform's own dependent of a signal; undefined for a signal of another implementation. It is kept for the next
 * dependents, because Node keeps a record of each composite as long as its sources live.
 */
const echoOf = (signal: AbortSignal): AbortSignal | undefined => {
  try {
    const echo = AbortSignal.any([signal])
    // Node keeps the composites of a timeout alive until the timeout, or until the last listener is removed.
    echo.addEventListener("abort", ignore)
    echo.removeEventListener("abort", ignore)
    return echo
  } catch {
    return undefined
  }
}

const ignore = (): void => {}

/** An error is reported as the platform reports an error of a listener, and the other callbacks are called. */
const call = (f: () => void): void => {
  try {
    f()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
