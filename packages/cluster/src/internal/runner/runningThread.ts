/** A thread that runs at this runner, and the streams of events that are attached to it. */
import * as ThreadAdapter from "@quiesce/core/adapter"
import type * as CancelReason from "@quiesce/core/CancelReason"
import type * as Thread from "@quiesce/core/Thread"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { LeaseEnd } from "../wire/outcome.ts"
import type { ThreadEvent } from "../wire/protocol.ts"
import type { RunnerId } from "../wire/runnerId.ts"

type Events = Queue.Queue<ThreadEvent, Cause.Done>

/** Receives the events of a thread. */
interface Receiver {
  readonly next: (event: ThreadEvent) => void
  readonly end: () => void
}

/**
 * The states of a thread at a runner:
 *
 * - `Claiming`: the row of the thread is not yet written, and the body has not begun. `reason` is that of an end which was
 *   asked for meanwhile
 * - `Running`: the body runs
 * - `Over`: no further event will come
 */
type State =
  | { readonly _tag: "Claiming"; readonly reason: CancelReason.CancelReason | undefined }
  | { readonly _tag: "Running"; readonly thread: Thread.Thread<unknown, unknown>; readonly token: number }
  | { readonly _tag: "Over"; readonly last: ThreadEvent }

const claiming: State = { _tag: "Claiming", reason: undefined }

/** The events of as many leases are kept for a client that attaches later. */
const maxLeases = 1000

export class RunningThread {
  readonly id: string
  readonly caller: string
  private readonly runner: RunnerId
  private readonly canUnwind: boolean
  private state: State = claiming
  private readonly attached = new Set<Receiver>()
  /** The receivers of the events of the first moment only. */
  private readonly starting = new Set<Receiver>()
  private isAnswered = false
  /** The events of leases by number, without the oldest ended leases. */
  private readonly leaseEvents = new Map<number, Array<ThreadEvent>>()
  private leases = 0
  /** The leases that were not released, for the outcome. */
  readonly failures: Array<LeaseEnd> = []

  constructor(id: string, caller: string, runner: RunnerId, canUnwind: boolean) {
    this.canUnwind = canUnwind
    this.id = id
    this.caller = caller
    this.runner = runner
  }

  get thread(): Thread.Thread<unknown, unknown> | undefined {
    return this.state._tag === "Running" ? this.state.thread : undefined
  }

  /** Asks for the end of a thread before its body begins. The first reason counts. */
  endEarly(reason: CancelReason.CancelReason): void {
    if (this.state._tag === "Claiming" && this.state.reason === undefined) this.state = { _tag: "Claiming", reason }
  }

  /** The reason of an end that was asked for before the body has begun. */
  get earlyEnd(): CancelReason.CancelReason | undefined {
    return this.state._tag === "Claiming" ? this.state.reason : undefined
  }

  /** The events so far, and then all further events. */
  get events(): Stream.Stream<ThreadEvent> {
    return Stream.unwrap(
      Effect.acquireRelease(
        Effect.map(Queue.unbounded<ThreadEvent, Cause.Done>(), (queue) => ({ queue, receiver: this.attach(queue) })),
        ({ receiver }) => Effect.sync(() => this.attached.delete(receiver))
      ).pipe(Effect.map(({ queue }) => Stream.fromQueue(queue)))
    )
  }

  private attach(queue: Events): Receiver {
    const receiver: Receiver = {
      next: (event) => void Queue.offerUnsafe(queue, event),
      end: () => void Queue.endUnsafe(queue)
    }
    if (this.replay(receiver)) this.attached.add(receiver)
    return receiver
  }

  /** The events until `answer` or until the end. */
  get firstEvents(): Effect.Effect<ReadonlyArray<ThreadEvent>> {
    return Effect.callback((resume) => {
      const events: Array<ThreadEvent> = []
      const receiver: Receiver = {
        next: (event) => void events.push(event),
        end: () => resume(Effect.succeed(events))
      }
      if (!this.replay(receiver)) return
      if (this.isAnswered) return receiver.end()
      this.attached.add(receiver)
      this.starting.add(receiver)
      return Effect.sync(() => {
        this.attached.delete(receiver)
        this.starting.delete(receiver)
      })
    })
  }

  /** The first moment is over. */
  answer(): void {
    this.isAnswered = true
    for (const receiver of this.starting) {
      this.attached.delete(receiver)
      receiver.end()
    }
    this.starting.clear()
  }

  /** Must be called before the body begins, so that no lease is missed. */
  started(thread: Thread.Thread<unknown, unknown>, token: number): void {
    this.state = { _tag: "Running", thread, token }
    const numbers = new Map<object, number>()
    ThreadAdapter.observeLeases(thread, {
      entered: (lease, name) => {
        const number = this.leases++
        numbers.set(lease, number)
        this.emitOf(number, { _tag: "Acquired", lease: number, name })
      },
      settled: (lease, result, error) => {
        const number = numbers.get(lease)
        if (number === undefined) return
        numbers.delete(lease)
        if (result !== "released" && this.failures.length < maxLeases)
          this.failures.push({ lease: number, result, error })
        this.emitOf(number, { _tag: "Released", lease: number, result, error })
        this.forgetOldest()
      }
    })
    this.emit(this.beginning(token))
  }

  /** Sends the last event. The first call counts. */
  over(last: ThreadEvent): void {
    if (this.state._tag === "Over") return
    this.emit(last)
    this.state = { _tag: "Over", last }
    for (const receiver of this.attached) receiver.end()
    this.attached.clear()
    this.starting.clear()
  }

  private beginning(token: number): ThreadEvent {
    return { _tag: "Started", token, runner: this.runner, canUnwind: this.canUnwind }
  }

  /** Whether further events will come. */
  private replay(receiver: Receiver): boolean {
    const { state } = this
    if (state._tag === "Claiming") return true
    if (state._tag === "Over") {
      receiver.next(state.last)
      receiver.end()
      return false
    }
    receiver.next(this.beginning(state.token))
    for (const events of this.leaseEvents.values()) for (const event of events) receiver.next(event)
    return true
  }

  private emitOf(lease: number, event: ThreadEvent): void {
    const events = this.leaseEvents.get(lease)
    if (events === undefined) this.leaseEvents.set(lease, [event])
    else events.push(event)
    this.emit(event)
  }

  /** A client that was away learns the ends of the latest leases. */
  private forgetOldest(): void {
    if (this.leaseEvents.size <= maxLeases) return
    for (const [lease, events] of this.leaseEvents) {
      if (events.length < 2) continue
      this.leaseEvents.delete(lease)
      return
    }
  }

  private emit(event: ThreadEvent): void {
    for (const receiver of this.attached) receiver.next(event)
  }
}

export const hasEnded = (thread: Thread.Thread<unknown, unknown>): boolean =>
  ThreadAdapter.controlsOf(thread).poll() !== undefined

/** The exit of a thread; it waits for the end. */
export const exitOf = (thread: Thread.Thread<unknown, unknown>): Effect.Effect<Exit.Exit<unknown, unknown>> =>
  Effect.callback((resume) => ThreadAdapter.onExit(thread, (exit) => resume(Exit.succeed(exit))))
