/**
 * Records the steps of threads and leases.
 *
 * Invariants:
 * 1. The ring holds the last `capacity` events. An older event is dropped and counted.
 * 2. The records of a thread and of a lease have a bounded size. They are kept by the ring, and while the thread is alive.
 * 3. All times are by the one clock of the recording, from its start.
 */
import type * as Clock from "effect/Clock"
import { reasonOfExit } from "../exitReason.ts"
import { root } from "../currentThread.ts"
import { endingOf } from "../ending.ts"
import { cut, messageOf } from "../foreignText.ts"
import type { Observer } from "../leaseAccount.ts"
import * as Ledger from "../ledger.ts"
import { rungs } from "../steps.ts"
import type { ThreadNode, ThreadStep } from "../threadNode.ts"
import { rungOf } from "../threadState.ts"
import * as ThreadWatch from "../threadWatch.ts"
import type { Event, EventKind, RecordedLease, RecordedThread, Timeline } from "./model.ts"

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

type ThreadRecord = Omit<Mutable<RecordedThread>, "asked"> & { asked: Array<RecordedThread["asked"][number]> }

type LeaseRecord = Omit<Mutable<RecordedLease>, "thread"> & { readonly thread: ThreadRecord }

interface Stored {
  readonly at: number
  readonly thread: ThreadRecord
  readonly lease: LeaseRecord | undefined
  readonly kind: EventKind
}

/** The characters of a name, a reason or an error in a record. */
const maxText = 200

const textOf = (u: unknown): string => cut(messageOf(u), maxText)

export class Recorder implements Observer<ThreadNode> {
  readonly startedAt: number
  private readonly clock: Clock.Clock
  private readonly origin: bigint
  private readonly capacity: number
  private readonly ring: Array<Stored> = []
  private count = 0
  private readonly threads = new WeakMap<ThreadNode, ThreadRecord>()
  private readonly leases = new WeakMap<Ledger.LeaseEntry, LeaseRecord>()
  private lastLease = 0
  private readonly unwatch: () => void
  /** The result of the last look, once the recording is over. */
  private last: Timeline | undefined

  constructor(clock: Clock.Clock, capacity: number) {
    this.clock = clock
    this.capacity = capacity
    this.startedAt = clock.currentTimeMillisUnsafe()
    this.origin = clock.monotonicTimeNanosUnsafe()
    for (const node of root.withDescendants()) {
      this.threadOf(node)
      for (const entry of [...Ledger.held(node)].toReversed()) this.leaseOf(entry)
    }
    Ledger.observe(root, this)
    this.unwatch = ThreadWatch.watch((step) => this.noted(step))
  }

  private get now(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe() - this.origin) / 1e6
  }

  /** A time of another clock's milliseconds. It is at most the time of the start, because it is known from before. */
  private before(millis: number): number {
    return Math.min(0, millis - this.startedAt)
  }

  /** Ends the recording. */
  end(): void {
    if (this.last !== undefined) return
    this.unwatch()
    Ledger.unobserve(root, this)
    this.last = this.look()
    this.ring.length = 0
  }

  read(): Timeline {
    return this.last ?? this.look()
  }

  // ---- Steps of threads ----

  private noted(step: ThreadStep): void {
    const { node } = step
    const at = this.now
    if (step._tag === "Spawned") this.threads.set(node, this.made(node, at))
    const thread = this.threadOf(node)
    this.store(at, thread, applied(step, thread, at))
  }

  /** A record of a new thread. A thread on a fiber starts a step later, a thread of an adapter when its place is free. */
  private made(node: ThreadNode, spawnedAt: number): ThreadRecord {
    const { parentNode } = node
    return {
      id: String(node.id),
      name: textOf(node.name),
      parent: parentNode === undefined || parentNode === root ? null : String(parentNode.id),
      place: null,
      spawnedAt,
      startedAt: null,
      asked: [],
      cleaningAt: null,
      endedAt: null,
      end: null,
      why: null
    }
  }

  private threadOf(node: ThreadNode): ThreadRecord {
    let record = this.threads.get(node)
    if (record === undefined) {
      record = this.made(node, this.before(node.spawnedAt))
      const rung = rungOf(node.state)
      if (node === root || !node.isQueued) record.startedAt = record.spawnedAt
      if (node.phase === "cleanup") record.cleaningAt = record.spawnedAt
      if (rung !== undefined) record.asked.push({ rung, at: this.before(node.reason?.at ?? this.startedAt) })
      this.threads.set(node, record)
    }
    return record
  }

  // ---- Steps of leases ----

  private leaseOf(entry: Ledger.LeaseEntry): LeaseRecord {
    let record = this.leases.get(entry)
    if (record === undefined) {
      record = this.madeLease(entry, this.before(entry.acquiredAt))
      if (entry.state === "releasing") record.releasingAt = this.before(entry.since)
    }
    return record
  }

  private madeLease(entry: Ledger.LeaseEntry, acquiredAt: number): LeaseRecord {
    const record: LeaseRecord = {
      id: ++this.lastLease,
      name: textOf(entry.name),
      thread: this.threadOf(entry.node),
      acquiredAt,
      releasingAt: null,
      endedAt: null,
      result: null,
      error: null
    }
    this.leases.set(entry, record)
    return record
  }

  entered(entry: Ledger.LeaseEntry): void {
    const at = this.now
    const lease = this.madeLease(entry, at)
    this.store(at, lease.thread, { _tag: "Acquired", lease: lease.id }, lease)
  }

  releasing(entry: Ledger.LeaseEntry): void {
    const at = this.now
    const lease = this.leaseOf(entry)
    lease.releasingAt = at
    this.store(at, lease.thread, { _tag: "Releasing", lease: lease.id }, lease)
  }

  readonly settled: Observer<ThreadNode>["settled"] = (_, result, outcome, entry) => {
    const at = this.now
    const lease = this.leaseOf(entry)
    const error = outcome.error === null ? null : textOf(firstLine(outcome.error))
    lease.endedAt = at
    lease.result = result
    lease.error = error
    this.store(at, lease.thread, { _tag: "LeaseEnded", lease: lease.id, result, error }, lease)
  }

  // ---- The ring ----

  private store(at: number, thread: ThreadRecord, kind: EventKind, lease?: LeaseRecord): void {
    this.ring[this.count++ % this.capacity] = { at, thread, lease, kind }
  }

  private look(): Timeline {
    const until = this.now
    const oldest = this.count % this.capacity
    const stored = this.count <= this.capacity ? this.ring : [...this.ring.slice(oldest), ...this.ring.slice(0, oldest)]
    const threads = new Set<ThreadRecord>()
    const leases = new Set<LeaseRecord>()
    const alive = new Set<ThreadRecord>()
    for (const node of root.withDescendants()) {
      const held = [...Ledger.held(node)]
      for (const entry of held) leases.add(this.leaseOf(entry))
      if (node !== root || held.length > 0) alive.add(this.threadOf(node))
    }
    for (const record of alive) threads.add(record)
    const main = this.threadOf(root)
    for (const { lease, thread } of stored) {
      // A thread that neither lives nor has ended could not be started by its adapter, and does not exist.
      if (thread.end !== null || thread === main) threads.add(thread)
      if (lease !== undefined) leases.add(lease)
    }
    return {
      startedAt: this.startedAt,
      until,
      events: stored.map(eventOf),
      dropped: Math.max(0, this.count - this.capacity),
      threads: [...threads].toSorted(inOrder).map((record) => ({ ...record, asked: [...record.asked] })),
      leases: [...leases].toSorted((a, b) => a.id - b.id).map((record) => ({ ...record, thread: record.thread.id }))
    }
  }
}

const inOrder = (a: ThreadRecord, b: ThreadRecord): number => Number(a.id) - Number(b.id)

const eventOf = ({ at, kind, thread }: Stored): Event => ({ ...kind, at, thread: thread.id })

/** Writes a step into the record of its thread, and gives the event. */
const applied = (step: ThreadStep, thread: ThreadRecord, at: number): EventKind => {
  switch (step._tag) {
    case "Spawned":
      return { _tag: "Spawned" }
    case "Started":
      thread.startedAt = at
      thread.place = step.place === undefined ? null : textOf(step.place)
      return { _tag: "Started", place: thread.place }
    case "Asked": {
      const { reason, rung } = step
      const last = thread.asked.at(-1)
      if (last === undefined || rungs.indexOf(rung) > rungs.indexOf(last.rung)) thread.asked.push({ rung, at })
      const by = reason.by === undefined ? null : textOf(reason.by)
      return { _tag: "Asked", rung, reason: reason._tag, message: textOf(reason.message), by }
    }
    case "Raised":
      return { _tag: "Raised", error: textOf(step.error) }
    case "Unwound": {
      const { outcome } = step
      return { _tag: "Unwound", outcome: outcome._tag, why: outcome._tag === "Refused" ? textOf(outcome.why) : null }
    }
    case "CleaningUp":
      thread.cleaningAt = at
      return { _tag: "CleaningUp" }
    case "Settled": {
      const ending = endingOf(step.node)
      thread.endedAt = at
      thread.end = ending._tag
      thread.why = whyOf(step.node, ending)
      return { _tag: "Ended", end: thread.end, why: thread.why }
    }
  }
}

const whyOf = (node: ThreadNode, ending: ReturnType<typeof endingOf>): string | null => {
  if ("error" in ending) return textOf(firstLine(ending.error))
  if ("reason" in ending) return textOf(ending.reason.message)
  if (ending._tag === "Succeeded") return null
  const reason = node.reason ?? reasonOfExit(node.controls.poll()!)
  return reason === undefined ? null : textOf(reason.message)
}

/** A stack has further lines. */
const firstLine = (text: string): string => text.split("\n", 1)[0]!
