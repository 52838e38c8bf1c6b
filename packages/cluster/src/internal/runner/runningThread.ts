/** A thread that runs at this runner, and the streams of events that are attached to it. */
import * as ThreadAdapter from "@quiesce/core/adapter"
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

/**
 * The states of a thread at a runner:
 *
 * - `Claiming`: the row of the thread is not yet written, and the body has not begun
 * - `Running`: the body runs
 * - `Over`: no further event will come
 */
type State =
  | { readonly _tag: "Claiming" }
  | { readonly _tag: "Running"; readonly thread: Thread.Thread<unknown, unknown>; readonly token: number }
  | { readonly _tag: "Over"; readonly last: ThreadEvent }

const claiming: State = { _tag: "Claiming" }

/** The events of as many leases are kept for a client that attaches later. */
const maxLeases = 1000

export class RunningThread {
  readonly id: string
  readonly caller: string
  private readonly runner: RunnerId
  private readonly canUnwind: boolean
  private state: State = claiming
  private readonly attached = new Set<Events>()
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

  /** The events so far, and then all further events. */
  get events(): Stream.Stream<ThreadEvent> {
    return Stream.unwrap(
      Effect.acquireRelease(
        Effect.map(Queue.unbounded<ThreadEvent, Cause.Done>(), (queue) => {
          this.replay(queue)
          this.attached.add(queue)
          return queue
        }),
        (queue) => Effect.sync(() => this.attached.delete(queue))
      ).pipe(Effect.map(Stream.fromQueue))
    )
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
    for (const queue of this.attached) Queue.endUnsafe(queue)
    this.attached.clear()
  }

  private beginning(token: number): ThreadEvent {
    return { _tag: "Started", token, runner: this.runner, canUnwind: this.canUnwind }
  }

  private replay(queue: Events): void {
    const { state } = this
    if (state._tag === "Claiming") return
    if (state._tag === "Over") {
      Queue.offerUnsafe(queue, state.last)
      Queue.endUnsafe(queue)
      return
    }
    Queue.offerUnsafe(queue, this.beginning(state.token))
    for (const events of this.leaseEvents.values()) for (const event of events) Queue.offerUnsafe(queue, event)
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
    for (const queue of this.attached) Queue.offerUnsafe(queue, event)
  }
}

/** The exit of a thread; it waits for the end. */
export const exitOf = (thread: Thread.Thread<unknown, unknown>): Effect.Effect<Exit.Exit<unknown, unknown>> =>
  Effect.callback((resume) => ThreadAdapter.onExit(thread, (exit) => resume(Exit.succeed(exit))))
