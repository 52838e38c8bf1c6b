/**
 * What the model knows of one thread: its place in the tree, its one state, its signals and what it holds.
 *
 * Invariants:
 * 1. A node is in its parent's list of children from before it can run until it has settled.
 * 2. The first reason that reaches a node never changes; `stopSignal` and `signal` abort with that one only.
 * 3. The rung only rises: Running, Stopping, then Cancelled on `interrupt`, `unwind`, `kill`, then Settled for good.
 * 4. A node settles once. Only its adapter settles it; an abandoned one is settled while it may still run.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import { pipeArguments } from "effect/Pipeable"
import * as Scope from "effect/Scope"
import * as CancelReason from "../CancelReason.ts"
import type { Escalation, Rung } from "../Escalation.ts"
import * as Escalations from "../Escalation.ts"
import type { ThreadControls } from "../ThreadControls.ts"
import type { LeaseOutcome } from "../ShutdownReport.ts"
import * as AmbientReason from "./ambientReason.ts"
import type { Inbox } from "./inbox.ts"

export const TypeId: "~@quiesce/core/Thread" = "~@quiesce/core/Thread"

export type State =
  | { readonly _tag: "Running" }
  | { readonly _tag: "Stopping"; readonly reason: CancelReason.CancelReason }
  | {
      readonly _tag: "Cancelled"
      readonly reason: CancelReason.CancelReason
      /** The later reasons, each once. */
      readonly later: ReadonlyArray<CancelReason.CancelReason>
      readonly rung: Exclude<Rung, "stop">
    }
  | {
      readonly _tag: "Settled"
      readonly reason: CancelReason.CancelReason | undefined
      /** Whether it had been cancelled, not just asked to stop. */
      readonly cancelled: boolean
      readonly abandoned: boolean
    }

const running: State = { _tag: "Running" }
const settled: State = { _tag: "Settled", reason: undefined, cancelled: false, abandoned: false }

/** A resource that a thread holds. The ledger alone changes it. */
export interface LeaseEntry {
  readonly name: string
  readonly node: ThreadNode
  readonly acquiredAt: number
  state: "held" | "releasing" | "settled"
  /** When the release began. */
  since: number
  previous: LeaseEntry | undefined
  next: LeaseEntry | undefined
}

/** How many checks of a token are left until it looks; set to none by a cancel. One word for all tokens of a thread. */
export type Checks = Int32Array

/** Requests in shared memory. */
export interface Flags {
  readonly stopRequested: boolean
  readonly interrupted: boolean
  /** Is set to none by whoever makes a request, so that the thread need not look for one. */
  readonly checks: Checks
}

/**
 * What became of a lease that is no longer held.
 *
 * @category models
 * @since 0.1.0
 */
export type LeaseResult = "released" | "failed" | "timedOut" | "lost"

/** Counts of what threads acquired and of what became of it. */
export interface Tally extends Record<LeaseResult, number> {
  acquired: number
}

/** What can be watched: a thread, or all the threads of a group at once. Changed by the ledger only. */
export interface Observed {
  ledgerObservers: ReadonlyArray<LedgerObserver> | undefined
}

/** What a shutdown hears while it lasts. */
export interface LedgerObserver {
  /** Of a lease that the watched thread, or one below it, has acquired. */
  readonly entered?: (entry: LeaseEntry) => void
  /** Of the end of one. */
  readonly settled: (observed: ThreadNode, result: LeaseResult, outcome: LeaseOutcome, entry: LeaseEntry) => void
}

let lastId = 0

/** The group of a thread; told of its exit. */
export interface NodeGroup extends Observed {
  readonly ended: (node: ThreadNode, exit: Exit.Exit<unknown, unknown>) => void
}

export class ThreadNode<out A = unknown, out E = unknown> implements Observed {
  readonly "~@quiesce/core/Thread": typeof TypeId = TypeId
  readonly id: number = lastId++
  readonly label: string | undefined
  readonly parentNode: ThreadNode | undefined
  readonly escalation: Escalation
  readonly spawnedAt: number
  readonly clock: Clock.Clock
  /** The scope of the thread's body. Closed by the adapter, after the body and the children have ended. */
  readonly scope: Scope.Closeable = Scope.makeUnsafe()
  state: State = running
  /** Set by the adapter, in the same step that makes the node. */
  controls!: ThreadControls<A, E>
  /** Set while the thread is abandoned and still runs. `AbandonedThreads` alone changes it. */
  abandonedReference: WeakRef<ThreadNode> | undefined = undefined
  /** Ties the thread to the scope that it was spawned into, when that is not its parent's own. */
  link: Scope.Closeable | undefined = undefined

  // The children, an intrusive list in order of spawning. Changed by `adopt` and `settle` only.
  firstChild: ThreadNode | undefined = undefined
  lastChild: ThreadNode | undefined = undefined
  private previous: ThreadNode | undefined = undefined
  private next: ThreadNode | undefined = undefined

  private settleObservers: Array<() => void> | undefined = undefined

  // Changed by the ledger only.
  leases: LeaseEntry | undefined = undefined
  tally: Tally | undefined = undefined
  ledgerObservers: ReadonlyArray<LedgerObserver> | undefined = undefined
  /** When it settled, by its clock; kept only where it is watched. */
  endedAt: number | undefined = undefined

  /** Made for the thread's first token. */
  checks: Checks | undefined = undefined

  /** What was asked of the thread, where that can be seen while no event is delivered; its children share it. */
  flags: Flags | undefined

  group: NodeGroup | undefined = undefined

  /** The fiber of the thread, where it is one, while it runs. */
  ownFiber: object | undefined = undefined
  /** The fibers of the regions in it, in order of nesting, each with what hands a cancel on to it. */
  innerFibers: Map<object, (reason: CancelReason.CancelReason) => void> | undefined = undefined

  /** The regions that accept raised errors, and the errors that wait for one. */
  inbox: Inbox | undefined = undefined

  private stopController: AbortController | undefined = undefined
  private controller: AbortController | undefined = undefined

  constructor(parent: ThreadNode | undefined, clock: Clock.Clock, escalation: Escalation, label: string | undefined) {
    this.parentNode = parent
    this.clock = clock
    this.spawnedAt = clock.currentTimeMillisUnsafe()
    this.escalation = escalation
    this.label = label
    this.flags = parent?.flags
  }

  /** What is written of it; all of it would be the whole tree. */
  toJSON(): unknown {
    return { _id: "Thread", id: this.id, name: this.name, state: this.state._tag }
  }

  get name(): string {
    return this.label ?? `thread-${this.id}`
  }

  get parent(): ThreadNode | undefined {
    return this.parentNode === root ? undefined : this.parentNode
  }

  /** The first reason for which it was asked to end, if it was. */
  get reason(): CancelReason.CancelReason | undefined {
    return this.state._tag === "Running" ? undefined : this.state.reason
  }

  /** All the reasons for which it was cancelled, the first one first. */
  get reasons(): ReadonlyArray<CancelReason.CancelReason> {
    const { state } = this
    if (state._tag === "Cancelled") return [state.reason, ...state.later]
    return state._tag === "Settled" && state.cancelled ? [state.reason!] : none
  }

  /** Whether it was interrupted, be it that it has been abandoned since. */
  get isCancelled(): boolean {
    return this.state._tag === "Cancelled" || (this.state._tag === "Settled" && this.state.cancelled)
  }

  get isAlive(): boolean {
    return this.state._tag !== "Settled"
  }

  get stopSignal(): AbortSignal {
    if (this.stopController === undefined) {
      this.stopController = new AbortController()
      if (this.reason !== undefined) this.stopController.abort(CancelReason.toError(this.reason))
    }
    return this.stopController.signal
  }

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController()
      if (this.isCancelled) this.controller.abort(CancelReason.toError(this.reason!))
    }
    return this.controller.signal
  }

  /** Whether this node is the other one or one of its ancestors. */
  contains(other: ThreadNode): boolean {
    for (let node: ThreadNode | undefined = other; node !== undefined; node = node.parentNode) {
      if (node === this) return true
    }
    return false
  }

  /** Where a region is entered that `outer` opens; undefined when that is not the thread's own fiber. */
  innerFibersOf(outer: object): Map<object, (reason: CancelReason.CancelReason) => void> | undefined {
    if (outer !== this.ownFiber && this.innerFibers?.has(outer) !== true) return undefined
    return (this.innerFibers ??= new Map())
  }

  *children(): Generator<ThreadNode> {
    for (let child = this.firstChild; child !== undefined; child = child.next) yield child
  }

  /** Its children that are in a group. */
  membersOf(group: NodeGroup): ReadonlyArray<ThreadNode> {
    const members: Array<ThreadNode> = []
    for (let child = this.firstChild; child !== undefined; child = child.next) {
      if (child.group === group) members.push(child)
    }
    return members
  }

  adopt(child: ThreadNode): void {
    if (this.lastChild === undefined) {
      this.firstChild = this.lastChild = child
    } else {
      child.previous = this.lastChild
      this.lastChild = this.lastChild.next = child
    }
  }

  private disown(child: ThreadNode): void {
    // It has ended before it was a child.
    if (child.previous === undefined && this.firstChild !== child) return
    if (child.previous === undefined) this.firstChild = child.next
    else child.previous.next = child.next
    if (child.next === undefined) this.lastChild = child.previous
    else child.next.previous = child.previous
    child.previous = child.next = undefined
  }

  /** Asks to stop. True when this is the first request of any kind. */
  beginStop(reason: CancelReason.CancelReason): boolean {
    if (this.state._tag !== "Running") return false
    this.state = { _tag: "Stopping", reason }
    this.stopController?.abort(CancelReason.toError(reason))
    return true
  }

  /**
   * Climbs to a rung that forces. Gives the reasons that the adapter has not been told yet: on the first call the first
   * reason and the given one, later the given one if it is new.
   */
  beginCancel(
    rung: Exclude<Rung, "stop">,
    reason: CancelReason.CancelReason
  ): ReadonlyArray<CancelReason.CancelReason> {
    const state = this.state
    if (state._tag === "Settled") return none
    if (state._tag === "Cancelled") {
      const higher = rank(rung) > rank(state.rung) ? rung : state.rung
      const isNew = !same(state.reason, reason) && !state.later.some((other) => same(other, reason))
      if (isNew || higher !== state.rung) {
        this.state = { ...state, rung: higher, later: isNew ? [...state.later, reason] : state.later }
      }
      return isNew ? [reason] : none
    }
    const first = state._tag === "Stopping" ? state.reason : reason
    const fresh = same(first, reason) ? only(first) : [first, reason]
    if (this.checks !== undefined) this.checks[0] = 0
    this.state = cancelled(first, fresh.length === 1 ? none : [reason], rung)
    if (this.controller !== undefined || this.stopController !== undefined) {
      const error = CancelReason.toError(first)
      this.stopController?.abort(error)
      this.controller?.abort(error)
    }
    return fresh
  }

  /** The end. The adapter has, or gives up on, the exit. */
  settle(exit: Exit.Exit<unknown, unknown>, abandoned: boolean): void {
    const state = this.state
    if (state._tag === "Settled") return
    this.state =
      state._tag === "Running" && !abandoned ? settled : settledFor(this.reason, state._tag === "Cancelled", abandoned)
    this.parentNode?.disown(this)
    if (this.link !== undefined) {
      // An emptied scope closes by leaving its parent; nothing of it is left to run.
      this.link.state = { _tag: "Empty" }
      Scope.closeUnsafe(this.link, exit)
      this.link = undefined
    }
    if (this.scope.state._tag === "Empty") Scope.closeUnsafe(this.scope, exit)
    if (this.ledgerObservers !== undefined || this.group?.ledgerObservers !== undefined) {
      this.endedAt = this.clock.currentTimeMillisUnsafe()
    }
    this.inbox?.close()
    this.group?.ended(this, exit)
    const observers = this.settleObservers
    this.settleObservers = undefined
    if (observers !== undefined) for (const observer of observers) observer()
  }

  /** Calls `f` when the node settles. The result takes it back. */
  onSettled(f: () => void): () => void {
    const observers = (this.settleObservers ??= [])
    observers.push(f)
    return () => {
      const index = this.settleObservers?.indexOf(f) ?? -1
      if (index >= 0) this.settleObservers!.splice(index, 1)
    }
  }

  pipe(): unknown {
    return pipeArguments(this, arguments)
  }
}

const none: ReadonlyArray<never> = []

// One request often reaches many threads, so equal states that follow each other are one object.

let lastOnly: readonly [CancelReason.CancelReason] | undefined

const only = (reason: CancelReason.CancelReason): readonly [CancelReason.CancelReason] =>
  lastOnly?.[0] === reason ? lastOnly : (lastOnly = [reason])

let lastCancelled: Extract<State, { readonly _tag: "Cancelled" }> | undefined

const cancelled = (
  reason: CancelReason.CancelReason,
  later: ReadonlyArray<CancelReason.CancelReason>,
  rung: Exclude<Rung, "stop">
): State =>
  lastCancelled?.reason === reason && lastCancelled.rung === rung && later === none && lastCancelled.later === none
    ? lastCancelled
    : (lastCancelled = { _tag: "Cancelled", reason, later, rung })

let lastSettled: Extract<State, { readonly _tag: "Settled" }> = settled

const settledFor = (reason: CancelReason.CancelReason | undefined, wasCancelled: boolean, abandoned: boolean): State =>
  lastSettled.reason === reason && lastSettled.cancelled === wasCancelled && lastSettled.abandoned === abandoned
    ? lastSettled
    : (lastSettled = { _tag: "Settled", reason, cancelled: wasCancelled, abandoned })

const rank = (rung: Rung): number => Escalations.rungs.indexOf(rung)

const same = (a: CancelReason.CancelReason, b: CancelReason.CancelReason): boolean =>
  a === b || (a._tag === b._tag && a.message === b.message && a.by === b.by)

/**
 * The root of the tree: whatever runs outside a thread. It is no thread itself, never ends and can't be asked to.
 */
export const root: ThreadNode = new ThreadNode(
  undefined,
  Context.get(Context.empty(), Clock.Clock),
  Escalations.interrupt,
  "main"
)

/** The thread that a fiber is part of. */
export const CurrentNode: Context.Reference<ThreadNode> = Context.Reference<ThreadNode>(
  "@quiesce/core/Thread/Current",
  {
    defaultValue: () => root
  }
)

/** A stretch of a thread's work that can be cancelled by itself. */
export interface CancelScope {
  readonly node: ThreadNode
  /** The first reason for which it was cancelled, if it was. */
  readonly reason: CancelReason.CancelReason | undefined
}

/** The innermost stretch that a fiber is part of. It counts for its own thread only, not for those spawned in it. */
export const CurrentCancelScope: Context.Reference<CancelScope | undefined> = Context.Reference<
  CancelScope | undefined
>("@quiesce/core/Thread/CurrentCancelScope", {
  defaultValue: () => undefined
})

AmbientReason.setSource((fiber) => {
  const node = fiber.getRef(CurrentNode)
  const scope = fiber.getRef(CurrentCancelScope)
  if (scope?.node === node && scope.reason !== undefined) return scope.reason
  return node.isCancelled ? node.reason : undefined
})
