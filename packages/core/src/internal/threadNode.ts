/**
 * The model's record of one thread: its place in the tree, its state and its signals.
 *
 * Each group of fields names the modules that may write. Every module may read.
 *
 * Invariants:
 * 1. A node is in its parent's list of children from before the body can run until the node has settled.
 * 2. `stopSignal` and `signal` abort with the first reason only.
 * 3. A node settles once. Only its adapter settles it; an abandoned node is settled while its code may still run.
 */
import type * as Clock from "effect/Clock"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import type * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Inspectable from "effect/Inspectable"
import { pipeArguments } from "effect/Pipeable"
import type * as Types from "effect/Types"
import * as Scope from "effect/Scope"
import type * as CancelReason from "../CancelReason.ts"
import type { Escalation } from "../Escalation.ts"
import { toError } from "./cancelError.ts"
import type { ThreadControls, UnwindOutcome } from "./threadControls.ts"
import type { Inbox } from "./inbox.ts"
import type { Account, Observed, Observer } from "./leaseAccount.ts"
import * as State from "./threadState.ts"

export const TypeId: "~@quiesce/core/Thread" = "~@quiesce/core/Thread"

/** The number of checks until a token looks at the flags. A cancel sets the number to 0. A thread's tokens share it. */
export type Checks = Int32Array

/** Requests in shared memory. */
export interface Flags {
  readonly stopRequested: boolean
  readonly interrupted: boolean
  /** Each request sets the number to 0, so that the thread need not poll the flags. */
  readonly checks: Checks
}

/**
 * The fate of the exit of a settled node: an observer has received the exit, a group keeps the exit for its join, or
 * neither.
 */
export type Receipt = "Received" | "Kept" | "Ignored"

/** The group of a thread. `ended` is called with the exit of each member. */
export interface NodeGroup extends Observed<ThreadNode> {
  readonly ended: (node: ThreadNode, exit: Exit.Exit<unknown, unknown>) => Receipt
  /** The scope that the group was made in. */
  readonly scopeOfOrigin: Scope.Scope
}

/** The result of an observer that waits for the end of a node and does not receive its exit. */
export const onlyWaits: unique symbol = Symbol("onlyWaits")

/** The part of a `Thread` by which its node is found. */
export interface Handle<out A, out E> {
  readonly [TypeId]: Variance<A, E>
}

interface Variance<out A, out E> {
  readonly _A: Types.Covariant<A>
  readonly _E: Types.Covariant<E>
}

const variance: Variance<never, never> = { _A: identity, _E: identity }

/** The node of a thread. Every handle is a node, because only this package makes handles. */
export const nodeOf = <A, E>(thread: Handle<A, E>): ThreadNode<A, E> => thread as unknown as ThreadNode<A, E>

/** Whether a value is a thread, also of another copy of this package. */
export const isNode = (u: unknown): boolean => {
  try {
    return u instanceof ThreadNode || (typeof u === "object" && u !== null && TypeId in u)
  } catch {
    // A trap of a proxy.
    return false
  }
}

type Propagate = (reason: CancelReason.CancelReason) => void

/** A step in the life of a thread, for the watchers of threads. Leases are observed in the ledger. */
export type ThreadStep =
  /** The thread is not in the tree yet. */
  | { readonly _tag: "Spawned"; readonly node: ThreadNode }
  /** The body begins. `place` is the place where the body runs, if that is another than this JavaScript thread. */
  | { readonly _tag: "Started"; readonly node: ThreadNode; readonly place?: string | undefined }
  /** A request that was new to the thread: its first request, a higher rung or a further reason. */
  | {
      readonly _tag: "Asked"
      readonly node: ThreadNode
      readonly rung: State.Rung
      readonly reason: CancelReason.CancelReason
    }
  | { readonly _tag: "Raised"; readonly node: ThreadNode; readonly error: unknown }
  | { readonly _tag: "Unwound"; readonly node: ThreadNode; readonly outcome: UnwindOutcome }
  /** The body has ended. Children end and leases are released. A thread that has none of both skips this step. */
  | { readonly _tag: "CleaningUp"; readonly node: ThreadNode }
  /** The controls have the exit. No waiter has it yet. */
  | { readonly _tag: "Settled"; readonly node: ThreadNode }

/** Undefined without watchers, so that a step of a thread costs one comparison more. Set by `threadWatch.ts` only. */
export let noteStep: ((step: ThreadStep) => void) | undefined

export const setNoteStep = (next: typeof noteStep): void => {
  noteStep = next
}

let lastId = 0

export class ThreadNode<out A = unknown, out E = unknown>
  extends Inspectable.Class
  implements Observed<ThreadNode>, Equal.Equal
{
  // Never changed.
  readonly id: number = lastId++
  readonly label: string | undefined
  readonly parentNode: ThreadNode | undefined
  readonly escalation: Escalation
  readonly spawnedAt: number
  readonly clock: Clock.Clock
  /** The scope of the thread's body. The adapter closes the scope after the body and the children have ended. */
  readonly scope: Scope.Closeable = Scope.makeUnsafe()

  // Changed by the methods here only.
  state: State.State = State.running
  firstChild: ThreadNode | undefined
  private lastChild: ThreadNode | undefined
  private previous: ThreadNode | undefined
  private next: ThreadNode | undefined
  private stopController: AbortController | undefined
  private controller: AbortController | undefined
  /** Each takes the exit of this very node, a type that would break the variance of the class. */
  private settleObservers: Array<(exit: Exit.Exit<never, never>) => unknown> | undefined
  /** The time at which an observed node settled, by its clock. */
  endedAt: number | undefined

  // Written once, while the thread is spawned.
  /** The adapter's record, set in the same step that makes the node. */
  controls!: ThreadControls<A, E>
  /** A child of the scope in which the thread was spawned. Undefined if the scope is the parent's own. */
  link: Scope.Closeable | undefined
  group: NodeGroup | undefined

  // Written by the ledger.
  account: Account<ThreadNode> | undefined
  ledgerObservers: ReadonlyArray<Observer<ThreadNode>> | undefined

  // Written by the adapter and by the tokens of the thread.
  /** Requests in shared memory, visible while no event is delivered. Children share the flags. */
  flags: Flags | undefined
  checks: Checks | undefined

  // Written by the adapter onto fibers.
  /** The fiber that runs the thread now. */
  ownFiber: Fiber.Fiber<unknown, unknown> | undefined
  /** In `cleanup` the body has ended; children end, and leases are released. */
  phase: "body" | "cleanup" = "body"

  // Written by cancel scopes, and by adapters that attach a fiber.
  /** The further fibers for a cancel to interrupt besides the thread's own, the outermost first. */
  innerFibers: Map<object, Propagate> | undefined

  // Written by `Thread.raise` and `Thread.receive`.
  inbox: Inbox | undefined

  // Written by the collection of abandoned threads.
  /** Set while the thread is abandoned and still runs. */
  abandonedReference: WeakRef<ThreadNode> | undefined

  get "~@quiesce/core/Thread"(): Variance<A, E> {
    return variance
  }

  constructor(parent: ThreadNode | undefined, clock: Clock.Clock, escalation: Escalation, label: string | undefined) {
    super()
    this.parentNode = parent
    this.clock = clock
    this.spawnedAt = clock.currentTimeMillisUnsafe()
    this.escalation = escalation
    // oxlint-disable-next-line typescript/no-unnecessary-type-conversion -- A user without types may give another value.
    this.label = label === undefined ? label : String(label)
    this.flags = parent?.flags
    noteStep?.({ _tag: "Spawned", node: this })
  }

  /** A short form. The node itself leads to the whole tree. */
  toJSON(): unknown {
    return { _id: "Thread", id: this.id, name: this.name, state: this.state._tag }
  }

  /** By Effect's `Equal`, a thread equals only itself, whatever its state. */
  "~effect/Equal"(that: unknown): boolean {
    return this === that
  }

  "~effect/Hash"(): number {
    return Hash.random(this)
  }

  pipe(): unknown {
    return pipeArguments(this, arguments)
  }

  get name(): string {
    return this.label ?? `thread-${this.id}`
  }

  /** Undefined for the main thread only. */
  get parent(): ThreadNode | undefined {
    return this.parentNode
  }

  // ---- The state ----

  /** The first reason for which the thread was asked to end, if there is one. */
  get reason(): CancelReason.CancelReason | undefined {
    return State.reasonOf(this.state)
  }

  get isCancelled(): boolean {
    return State.isCancelled(this.state)
  }

  get isAlive(): boolean {
    return this.state._tag !== "Settled"
  }

  /** Whether the thread waits for a place to run, and was not asked to end. */
  get isQueued(): boolean {
    return this.state._tag === "Running" && this.controls.hasStarted === false
  }

  get stopSignal(): AbortSignal {
    if (this.stopController === undefined) {
      this.stopController = new AbortController()
      if (this.reason !== undefined) this.stopController.abort(toError(this.reason))
    }
    return this.stopController.signal
  }

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController()
      if (this.isCancelled) this.controller.abort(toError(this.reason!))
    }
    return this.controller.signal
  }

  /** Asks to stop. True when this is the first request of any kind. */
  beginStop(reason: CancelReason.CancelReason): boolean {
    const before = this.state
    this.state = State.stop(before, reason)
    if (this.state === before) return false
    noteStep?.({ _tag: "Asked", node: this, rung: "stop", reason })
    this.stopController?.abort(toError(reason))
    return true
  }

  /** Cancels on a rung, and gives the reasons with which the adapter still has to interrupt the thread. */
  beginCancel(rung: State.CancelRung, reason: CancelReason.CancelReason): ReadonlyArray<CancelReason.CancelReason> {
    const before = this.state
    const after = (this.state = State.cancel(before, rung, reason))
    if (noteStep !== undefined && after !== before) noteStep({ _tag: "Asked", node: this, rung, reason })
    if (before._tag !== "Cancelled" && after._tag === "Cancelled") {
      if (this.checks !== undefined) this.checks[0] = 0
      if (this.controller !== undefined || this.stopController !== undefined) {
        const error = toError(after.reason)
        this.stopController?.abort(error)
        this.controller?.abort(error)
      }
    }
    return State.addedReasons(before, after)
  }

  /** Ends the node. The adapter has the exit, or gives up on the thread. */
  settle(exit: Exit.Exit<A, E>, abandoned: boolean): Receipt {
    if (!this.isAlive) return "Received"
    this.state = State.settle(this.state, abandoned)
    noteStep?.({ _tag: "Settled", node: this })
    this.parentNode?.disown(this)
    this.unlink(exit)
    if (this.scope.state._tag === "Empty") Scope.closeUnsafe(this.scope, exit)
    if (this.ledgerObservers !== undefined || this.group?.ledgerObservers !== undefined) {
      this.endedAt = this.clock.currentTimeMillisUnsafe()
    }
    this.inbox?.close()
    let receipt = this.group === undefined ? "Ignored" : this.group.ended(this, exit)
    const observers = this.settleObservers
    this.settleObservers = undefined
    if (observers === undefined) return receipt
    for (const observer of observers) {
      try {
        if (observer(exit as Exit.Exit<never, never>) !== onlyWaits) receipt = "Received"
      } catch (error) {
        // An uncaught exception of the process, as from a listener: the other observers still get the exit.
        queueMicrotask(() => {
          throw error
        })
      }
    }
    return receipt
  }

  /** Takes the thread out of the scope that it was spawned into. */
  unlink(exit: Exit.Exit<unknown, unknown>): void {
    if (this.link === undefined) return
    // The link leaves its parent at once. Its finalizer, which would end the thread, is not run.
    Scope.closeUnsafe(this.link, exit)
    this.link = undefined
  }

  /**
   * Calls `f` once, when the node has settled and left the tree. The result withdraws `f`. An `f` that does not receive the
   * exit returns `onlyWaits`.
   */
  onSettled(f: (exit: Exit.Exit<A, E>) => unknown): () => void {
    const observers = (this.settleObservers ??= [])
    observers.push(f)
    return () => {
      const index = this.settleObservers?.indexOf(f) ?? -1
      if (index >= 0) this.settleObservers!.splice(index, 1)
    }
  }

  /** The same, before all observers so far. A waiter may run on in the call that notifies it. */
  onSettledFirst(f: (exit: Exit.Exit<A, E>) => typeof onlyWaits): void {
    ;(this.settleObservers ??= []).unshift(f)
  }

  // ---- The tree ----

  /** Whether this node is the other node or an ancestor of the other node. */
  contains(other: ThreadNode): boolean {
    for (let node: ThreadNode | undefined = other; node !== undefined; node = node.parentNode) {
      if (node === this) return true
    }
    return false
  }

  /** The live children, in the order in which they were spawned. */
  *children(): Generator<ThreadNode> {
    for (let child = this.firstChild; child !== undefined; child = child.next) yield child
  }

  /** This node and its live descendants, each before its children. The depth of the tree does not matter. */
  withDescendants(): Generator<ThreadNode> {
    return ThreadNode.treeOf(this)
  }

  private static *treeOf(top: ThreadNode): Generator<ThreadNode> {
    let node: ThreadNode | undefined = top
    while (node !== undefined) {
      yield node
      if (node.firstChild !== undefined) node = node.firstChild
      else {
        while (node !== top && node!.next === undefined) node = node!.parentNode
        node = node === top ? undefined : node!.next
      }
    }
  }

  /** The live children that are in a group. */
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
    // The child has ended before its parent adopted it.
    if (child.previous === undefined && this.firstChild !== child) return
    if (child.previous === undefined) this.firstChild = child.next
    else child.previous.next = child.next
    if (child.next === undefined) this.lastChild = child.previous
    else child.next.previous = child.previous
    child.previous = child.next = undefined
  }
}
