/**
 * The client's side of a thread that runs at a runner: the controls of core's `Thread`.
 *
 * Invariants:
 * 1. The thread settles with the outcome that its runner sent, or after the store has made any other outcome impossible: the
 *    row says `cancelled`, `killed` or `ended`.
 * 2. The calls of `Start` and `Run` are never interrupted before the thread has settled, because the engine would return
 *    before the finalizers of the thread. Only a call without an answer is replaced by another `Start` of the same row.
 */
import type * as ThreadAdapter from "@quiesce/core/adapter"
import * as CancelReason from "@quiesce/core/CancelReason"
import * as ForcedEnd from "@quiesce/core/ForcedEnd"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as ClusterError from "../../ClusterError.ts"
import { endOf } from "../store/rowEnd.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import * as Outcome from "../wire/outcome.ts"
import type { ThreadEvent } from "../wire/protocol.ts"
import { nameOf, type RunnerId } from "../wire/runnerId.ts"
import type { LiveThreads } from "./liveThreads.ts"
import { FormerLeases, notStarted } from "./formerLeases.ts"
import { again, againMillis, courtesy, encodedError, type Reachable, reach, stackOf } from "./reach.ts"
import { RemoteLeases } from "./remoteLeases.ts"
import { asked, type Sending, type State } from "./remoteState.ts"
import { run as runEvents } from "./runEvents.ts"
import type { ThreadClient } from "./threadClient.ts"
import type { UnstartedThreads } from "./unstarted.ts"

type Remote = ThreadAdapter.RemoteThread<unknown, unknown>
type Reason = CancelReason.CancelReason

/** The parts of a client that its threads share. */
export interface Shared {
  readonly store: ThreadStore
  readonly caller: string
  /** How long no runner may start a thread, in milliseconds. */
  readonly startWithin: number
  readonly clientOf: (id: string) => ThreadClient
  readonly fork: (effect: Effect.Effect<unknown>) => Fiber.Fiber<unknown>
  /** Notices the death of a runner with threads of this client. */
  readonly watch: (runner: RunnerId, thread: RemoteThread) => void
  readonly unwatch: (runner: RunnerId, thread: RemoteThread) => void
  readonly unstarted: UnstartedThreads
  readonly live: LiveThreads
}

export class RemoteThread implements ThreadAdapter.Controls, Reachable {
  private readonly thread: Remote
  private readonly sending: Sending
  private readonly wire: Outcome.TaskWire
  private readonly shared: Shared
  /** The id of the row, and the calls to it. Each start of the body has a row of its own. */
  id = ""
  private client!: ThreadClient
  private state: State = asked
  /** Whether the thread was asked to end. It does not start again then. */
  private isEnding = false
  private running: Fiber.Fiber<unknown> | undefined = undefined
  /** The leases for which the latest start waits or has waited. */
  private former: FormerLeases | undefined = undefined
  /** Gives up if no runner starts the thread. */
  private patience: Fiber.Fiber<unknown> | undefined = undefined
  private readonly leases: RemoteLeases
  /** Completes when the thread has started or has settled. A second start has a new Deferred. */
  private known = Deferred.makeUnsafe<void>()
  private readonly over = Deferred.makeUnsafe<void>()
  /** A later request must not overtake an earlier one, because the thread keeps the first reason. */
  private readonly order = Semaphore.makeUnsafe(1)

  constructor(thread: Remote, sending: Sending, wire: Outcome.TaskWire, shared: Shared) {
    this.thread = thread
    this.leases = new RemoteLeases(thread)
    this.sending = sending
    this.wire = wire
    this.shared = shared
  }

  /**
   * Asks for a runner, and follows the thread until it has settled. A client that has ended asks for none. A second start
   * waits for the leases of the former one.
   */
  begin(): void {
    const { clientOf, fork, live, startWithin, store } = this.shared
    if (live.reason !== undefined) return this.settle(Exit.failCause(CancelReason.toCause(live.reason)))
    live.add(this.thread)
    const former = this.id
    this.id = crypto.randomUUID()
    this.client = clientOf(this.id)
    if (former === "") this.follow()
    else {
      this.former = new FormerLeases(store, former)
      const start = Effect.sync(() => this.follow())
      this.running = fork(Effect.andThen(this.former.whenReleased, start))
    }
    if (startWithin !== Infinity) this.patience = fork(Effect.andThen(Effect.sleep(startWithin), this.giveUp))
  }

  private follow(): void {
    const { client, id } = this
    this.shared.unstarted.add(this)
    const { name, payload } = this.sending
    const request = { task: this.wire.task, name, caller: this.shared.caller, payload }
    const follower = {
      on: (event: ThreadEvent) => this.on(event),
      isOver: () => this.isOver || this.id !== id,
      hasStarted: () => !this.isAsked
    }
    const source = { start: client.Start(request), events: client.Run(request) }
    this.running = this.shared.fork(runEvents(source, follower, againMillis))
  }

  /**
   * Replaces the call of a start that the engine may never answer, because the runner of the call is gone. A runner that has
   * received the first call goes on with the start, and answers the second call with the same events.
   */
  startOver(): void {
    if (!this.isAsked) return
    const { running } = this
    this.follow()
    running?.interruptUnsafe()
  }

  get hasStarted(): boolean {
    return this.state._tag === "Started" || this.state.hadStarted
  }

  get runsOn(): string | undefined {
    return this.state._tag === "Started" ? `runner ${nameOf(this.state.runner)}` : undefined
  }

  /** Whether one of the rows is that of the thread. */
  isAmong(rows: ReadonlySet<string>): boolean {
    return rows.has(this.id)
  }

  get isAsked(): boolean {
    return this.state._tag === "Asked"
  }

  get isOver(): boolean {
    return this.state._tag === "Settled"
  }

  get whenKnown(): Effect.Effect<void> {
    return Deferred.await(this.known)
  }

  get whenOver(): Effect.Effect<void> {
    return Deferred.await(this.over)
  }

  requestStop(reason: Reason): Effect.Effect<void> {
    this.isEnding = true
    return this.forked(this.order.withPermits(1)(this.reach((client) => client.Stop({ reason }))))
  }

  /** A thread that has not started is cancelled in the store at once, also while a stop waits for its start. */
  requestInterrupt(reason: Reason): Effect.Effect<void> {
    this.isEnding = true
    const ask = this.reach((client) => client.Interrupt({ reason }))
    return this.forked(
      Effect.flatMap(Effect.forkChild(this.cancelled(reason), { startImmediately: true }), (look) =>
        this.order.withPermits(1)(
          Effect.flatMap(Fiber.join(look), (isCancelled) => (isCancelled ? Effect.void : Effect.asVoid(ask)))
        )
      )
    )
  }

  raise(error: unknown): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      const encoded = encodedError(this.wire.task, error)
      return Effect.map(
        this.reach((client) => client.Raise({ error: encoded })),
        Option.getOrElse(() => false)
      )
    })
  }

  get unwind(): ThreadAdapter.Controls["unwind"] {
    if (this.state._tag !== "Started" || !this.state.canUnwind) return Option.none()
    return Option.some(
      Effect.map(
        this.reach((client) => client.Unwind()),
        Option.getOrElse((): ThreadAdapter.UnwindOutcome => ({ _tag: "Idle" }))
      )
    )
  }

  get unwindProblem(): string | undefined {
    return this.state._tag === "Started" ? "the runner runs its threads on fibers" : "no runner has started the thread"
  }

  get kill(): ThreadAdapter.Controls["kill"] {
    return Option.some((reason) => this.forked(this.fence(reason)))
  }

  get locate(): Effect.Effect<Option.Option<string>> {
    return Effect.suspend(() => (this.state._tag === "Started" ? stackOf(this.client) : Effect.succeedNone))
  }

  /** Settles by the row, after the death of the runner. A thread with a running row goes on. */
  readonly settleByRow: Effect.Effect<void> = Effect.suspend(() => {
    if (this.isOver) return Effect.void
    return Effect.flatMap(Effect.exit(this.shared.store.row(this.id)), (exit) => {
      const event = Exit.isSuccess(exit) && exit.value !== undefined ? endOf(exit.value) : undefined
      return event === undefined ? Effect.void : this.on(event)
    })
  })

  private on(event: ThreadEvent): Effect.Effect<void> {
    if (this.isOver) return Effect.void
    switch (event._tag) {
      case "Started":
        return Effect.sync(() => this.started(event.runner, event.canUnwind))
      case "Acquired":
        return Effect.sync(() => this.leases.acquired(event.lease, event.name))
      case "Released":
        return Effect.sync(() => this.leases.ended(event))
      case "Ended":
        return Effect.flatMap(Effect.exit(this.wire.decodeExit(event.outcome)), (exit) =>
          Effect.sync(() =>
            Exit.isSuccess(exit) ? this.ended(exit.value) : this.settle(Exit.die(Cause.squash(exit.cause)))
          )
        )
      case "Killed":
        return Effect.flatMap(Outcome.decodeReason(event.reason, unknownReason), (reason) => this.killed(reason))
      case "Cancelled":
        return Effect.map(Outcome.decodeReason(event.reason, unknownReason), (reason) =>
          this.settle(Exit.failCause(CancelReason.toCause(reason)))
        )
      case "UnknownTask":
        return this.refused(ClusterError.make({ _tag: "UnknownTask", task: this.wire.task, runner: event.runner }))
      case "Misfit":
        return this.refused(ClusterError.make({ _tag: "NotSendable", task: this.wire.task, problem: event.problem }))
      case "Elsewhere":
        return Effect.void
    }
  }

  private started(runner: RunnerId, canUnwind: boolean): void {
    this.state = { _tag: "Started", runner, canUnwind }
    this.patience?.interruptUnsafe()
    Deferred.doneUnsafe(this.known, Exit.void)
    this.shared.unstarted.delete(this)
    this.shared.watch(runner, this)
  }

  /** The connection may have been lost before the last leases ended. The outcome has the leases that were not released. */
  private ended({ exit, leases }: Outcome.Decoded): void {
    for (const lease of leases) this.leases.ended(lease)
    this.leases.endRest("released")
    if (this.startsAgain(Option.getOrUndefined(CancelReason.fromExit(exit)))) return this.startAgain()
    this.settle(exit)
  }

  /** Whether the end of the thread was not asked for by anybody but its runner. */
  private startsAgain(reason: Reason | undefined): boolean {
    return this.sending.onLoss === "rerun" && !this.isEnding && (reason?._tag === "Moved" || reason?._tag === "Lost")
  }

  /** The row of the former start has an end, so that the former body writes no more. */
  private startAgain(): void {
    const { running } = this
    this.leases.beginAgain()
    if (this.state._tag === "Started") this.shared.unwatch(this.state.runner, this)
    this.state = { _tag: "Asked", hadStarted: this.hasStarted }
    this.known = Deferred.makeUnsafe<void>()
    this.patience?.interruptUnsafe()
    this.begin()
    // The call may come from the same fiber, which ends at its next step.
    running?.interruptUnsafe()
  }

  /** The report names the leases that have a row, too. */
  private killed(reason: Reason): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.startsAgain(reason)) return Effect.sync(() => this.startAgain())
      return Effect.map(this.leases.addRows(this.shared.store, this.id), () => {
        if (this.isOver) return
        const end = ForcedEnd.killed(this.thread.name, this.thread.held())
        this.settle(Exit.failCause(ForcedEnd.annotate(CancelReason.toCause(reason), end)))
      })
    })
  }

  private settle(exit: Exit.Exit<unknown, unknown>): void {
    if (this.isOver) return
    if (this.state._tag === "Started") this.shared.unwatch(this.state.runner, this)
    this.state = { _tag: "Settled", hadStarted: this.hasStarted }
    this.thread.settle(exit)
    Deferred.doneUnsafe(this.known, Exit.void)
    Deferred.doneUnsafe(this.over, Exit.void)
    this.shared.unstarted.delete(this)
    this.shared.live.delete(this.thread)
    // The stream of events may never end: the runner may be gone.
    this.running?.interruptUnsafe()
    this.patience?.interruptUnsafe()
  }

  /** Whether the thread will never start. Then it has settled. */
  private cancelled(reason: Reason): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      if (this.state._tag !== "Asked") return Effect.succeed(this.isOver)
      const { claim } = this
      return Outcome.encodeReason(reason).pipe(
        Effect.flatMap((text) => Effect.retry(this.shared.store.cancel(claim, text), again)),
        Effect.tap((isCancelled) =>
          Effect.sync(() => isCancelled && this.settle(Exit.failCause(CancelReason.toCause(reason))))
        ),
        Effect.orDie
      )
    })
  }

  private get claim(): Parameters<ThreadStore["cancel"]>[0] {
    return { id: this.id, name: this.sending.name, task: this.wire.task, caller: this.shared.caller }
  }

  /** Raises the token, and waits for no runner. */
  private fence(reason: Reason): Effect.Effect<void> {
    const { store } = this.shared
    this.isEnding = true
    return Effect.gen({ self: this }, function* () {
      if (yield* this.cancelled(reason)) return
      const text = yield* Outcome.encodeReason(reason)
      const isKilled = yield* Effect.orDie(Effect.retry(store.kill(this.id, text), again))
      if (!isKilled) return yield* this.settleByRow
      yield* this.killed(reason)
      yield* Effect.ignore(Effect.timeoutOption(this.client.Kill({ reason }), courtesy))
    })
  }

  /** The thread has not started in time. */
  private get giveUp(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.isAsked ? this.refused(notStarted(this.wire.task, this.former, this.shared.startWithin)) : Effect.void
    )
  }

  /** Ends a thread that has not started. A thread that has started by now goes on. */
  private refused(error: ClusterError.ClusterError): Effect.Effect<void> {
    const { claim } = this
    return Outcome.encodeReason(CancelReason.interrupted({ message: error.message })).pipe(
      Effect.flatMap((text) => this.shared.store.cancel(claim, text)),
      Effect.matchEffect({
        // Without the store nothing can start the thread later, either; but the row may be there.
        onFailure: () =>
          Effect.andThen(
            Effect.sleep(againMillis),
            Effect.suspend(() => this.refused(error))
          ),
        onSuccess: (isCancelled) => Effect.sync(() => isCancelled && this.settle(Exit.fail(error)))
      })
    )
  }

  private reach<A>(ask: (client: ThreadClient) => Effect.Effect<A | null, unknown>): Effect.Effect<Option.Option<A>> {
    return reach(
      this,
      Effect.suspend(() => ask(this.client))
    )
  }

  private forked(effect: Effect.Effect<unknown>): Effect.Effect<void> {
    return Effect.sync(() => void this.shared.fork(effect))
  }
}

const unknownReason = CancelReason.interrupted({ message: "Another process ended the thread" })
