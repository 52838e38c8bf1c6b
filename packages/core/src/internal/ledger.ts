/**
 * The ledger: the leases of each thread, their age and their results.
 *
 * Invariants:
 * 1. An entry is in its node's list from the moment its acquire succeeded until its release has ended or was given up.
 * 2. Each entry is settled once, and counted once in the tally of its node.
 * 3. A settled entry is notified to every observer of its node, of the node's ancestors, and of the groups of these.
 */
import type * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type { LeaseOutcome } from "../ShutdownReport.ts"
import { causeText } from "./causeText.ts"
import * as Notice from "./notice.ts"
import type { Account, Entry, LeaseResult, Observed, Observer, Tally } from "./leaseAccount.ts"
import type { ThreadNode } from "./threadNode.ts"

/** A resource that a thread holds. */
export type LeaseEntry = Entry<ThreadNode>

/** The error of a lease: the failure of its release, or a text. */
type LeaseError = Cause.Cause<unknown> | string | null

interface Notifier {
  readonly entered: (entry: LeaseEntry) => void
  readonly releasing: (entry: LeaseEntry) => void
  readonly settled: (entry: LeaseEntry, result: LeaseResult, clock: Clock.Clock, error: LeaseError) => void
  /** Whether a report lists the lost leases of a node. */
  readonly reportsLosses: (node: ThreadNode) => boolean
}

/** Undefined without observers. A program that observes nothing has no code for notifications in its bundle. */
let notifier: Notifier | undefined

/** The numbers of observers anywhere. Only recorders of events listen for `entered` and `releasing`; a shutdown does not. */
const observers = { all: 0, entered: 0, releasing: 0 }

const count = (observer: Observer<ThreadNode>, by: 1 | -1): void => {
  observers.all += by
  if (observer.entered !== undefined) observers.entered += by
  if (observer.releasing !== undefined) observers.releasing += by
}

const accountOf = (node: ThreadNode): Account<ThreadNode> =>
  (node.account ??= { latest: undefined, acquired: 0, released: 0, failed: 0, timedOut: 0, lost: 0 })

/** An entry that no account lists. */
export const unlisted = (node: ThreadNode, name: string, now: number, keptBy?: LeaseEntry["keptBy"]): LeaseEntry => ({
  name,
  node,
  acquiredAt: now,
  keptBy,
  state: "held",
  since: 0,
  release: undefined,
  previous: undefined,
  next: undefined
})

export const enter = (node: ThreadNode, name: string, now: number, keptBy?: LeaseEntry["keptBy"]): LeaseEntry => {
  const account = accountOf(node)
  const entry = unlisted(node, name, now, keptBy)
  entry.next = account.latest
  if (account.latest !== undefined) account.latest.previous = entry
  account.latest = entry
  account.acquired++
  notifier?.entered(entry)
  return entry
}

/** The release of a lease begins. The lease of an abandoned thread was counted as lost, and stays lost. */
export const beginRelease = (entry: LeaseEntry, now: number): void => {
  entry.since = now
  if (entry.state !== "held") return
  entry.state = "releasing"
  notifier?.releasing(entry)
}

/** The clock is read only for observers. */
export const settle = (entry: LeaseEntry, result: LeaseResult, clock: Clock.Clock, error: LeaseError = null): void => {
  if (entry.state === "settled") return
  entry.state = "settled"
  const { node } = entry
  const account = accountOf(node)
  if (entry.previous === undefined) account.latest = entry.next
  else entry.previous.next = entry.next
  if (entry.next !== undefined) entry.next.previous = entry.previous
  account[result]++
  notifier?.settled(entry, result, clock, error)
}

const notifying: Notifier = {
  entered: (entry) => {
    if (observers.entered > 0) notify(entry.node, (observer) => observer.entered?.(entry))
  },
  releasing: (entry) => {
    if (observers.releasing > 0) notify(entry.node, (observer) => observer.releasing?.(entry))
  },
  settled: (entry, result, clock, error) => {
    const outcome = outcomeOf(entry, clock.currentTimeMillisUnsafe(), error)
    notify(entry.node, (observer, observed) => observer.settled(observed, result, outcome, entry))
  },
  reportsLosses: (node) => {
    let reported = false
    notify(node, ({ reportsLosses }) => (reported ||= reportsLosses === true))
    return reported
  }
}

/** Calls `f` with each observer of a node, of its ancestors, and of their groups. */
const notify = (node: ThreadNode, f: (observer: Observer<ThreadNode>, observed: ThreadNode) => unknown): void => {
  for (let at: ThreadNode | undefined = node; at !== undefined; at = at.parentNode) {
    if (at.ledgerObservers !== undefined) for (const observer of at.ledgerObservers) f(observer, at)
    if (at.group?.ledgerObservers !== undefined) for (const observer of at.group.ledgerObservers) f(observer, at)
  }
}

const outcomeOf = (entry: LeaseEntry, now: number, error: LeaseError): LeaseOutcome => ({
  lease: entry.name,
  thread: entry.node.name,
  heldMillis: now - entry.acquiredAt,
  error: typeof error === "string" || error === null ? error : causeText(error)
})

/** The leases of a node, the latest first. */
export const held = function* (node: ThreadNode): Generator<LeaseEntry> {
  for (let entry = node.account?.latest; entry !== undefined; entry = entry.next) yield entry
}

/** The lease that is being released in a thread or in one of its descendants. */
export const releasing = (node: ThreadNode): LeaseEntry | undefined => {
  for (const below of node.withDescendants()) {
    for (const entry of held(below)) if (entry.state === "releasing") return entry
  }
  return undefined
}

/** The leases of a thread and its descendants. */
export const heldBelow = function* (node: ThreadNode): Generator<LeaseEntry> {
  for (const below of node.withDescendants()) yield* held(below)
}

/** The leases of a thread and its descendants that are still held get no release. */
export const lose = (node: ThreadNode): void => {
  for (const below of node.withDescendants()) {
    if (below.account?.latest === undefined) continue
    const entries = Array.from(held(below))
    for (const entry of entries) settle(entry, "lost", node.clock)
    logLost(below, entries)
  }
}

const maxNames = 20

/** A lease that the host keeps is released there. */
const logLost = (node: ThreadNode, entries: ReadonlyArray<LeaseEntry>): void => {
  if (notifier?.reportsLosses(node) === true) return
  const names = entries.filter(({ keptBy }) => keptBy === undefined).map(({ name }) => `"${name}"`)
  if (names.length === 0) return
  const more = names.length > maxNames ? ` and ${names.length - maxNames} more` : ""
  const context = node.ownFiber?.context ?? node.controls.context ?? Context.empty()
  const lost = `${names.length === 1 ? "the lease" : "the leases"} ${names.slice(0, maxNames).join(", ")}${more}`
  Notice.logUnhandled(context, node, `Thread "${node.name}" has lost ${lost}: it ended before the release`)
}

/** The counts of a thread and of all its descendants, live and ended. */
export const tallyBelow = (node: ThreadNode): Tally => {
  const sum: Tally = { acquired: 0, released: 0, failed: 0, timedOut: 0, lost: 0 }
  for (const { account } of node.withDescendants()) if (account !== undefined) addTally(sum, account)
  return sum
}

const addTally = (to: Tally, from: Tally): void => {
  to.acquired += from.acquired
  to.released += from.released
  to.failed += from.failed
  to.timedOut += from.timedOut
  to.lost += from.lost
}

/** Adds the counts of an ending node to its parent; for an abandoned node also the counts of its children. */
export const addCountsToParent = (node: ThreadNode): void => {
  const counts = node.firstChild === undefined ? node.account : tallyBelow(node)
  if (counts !== undefined && node.parentNode !== undefined) {
    addTally(accountOf(node.parentNode), counts)
  }
}

export const observe = (target: Observed<ThreadNode>, observer: Observer<ThreadNode>): void => {
  count(observer, 1)
  notifier = notifying
  target.ledgerObservers = target.ledgerObservers === undefined ? [observer] : [...target.ledgerObservers, observer]
}

export const unobserve = (target: Observed<ThreadNode>, observer: Observer<ThreadNode>): void => {
  count(observer, -1)
  if (observers.all === 0) notifier = undefined
  target.ledgerObservers =
    target.ledgerObservers?.length === 1 ? undefined : target.ledgerObservers?.filter((other) => other !== observer)
}
