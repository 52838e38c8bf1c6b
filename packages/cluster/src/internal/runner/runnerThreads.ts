/**
 * The threads at this runner, by id.
 *
 * Invariants:
 * 1. A body starts only after this runner has inserted the row of its thread.
 * 2. An outcome is sent only after the row has it, with the thread's own token. After a kill the outcome does not count.
 * 3. At the end of the scope each thread has ended by its escalation, and none starts after that.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Thread from "@quiesce/core/Thread"
import type * as Escalation from "@quiesce/core/Escalation"
import { logUnhandled, messageOf } from "@quiesce/core/internal"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type ClusterError, isClusterError } from "../../ClusterError.ts"
import { endOf } from "../store/rowEnd.ts"
import type { ThreadRow, ThreadStore } from "../store/threadStore.ts"
import type { ThreadEvent } from "../wire/protocol.ts"
import { lostReason, nameOf, type RunnerId } from "../wire/runnerId.ts"
import * as Outcome from "../wire/outcome.ts"
import type { Bodies } from "./bodies.ts"
import { exitOf, hasEnded, RunningThread } from "./runningThread.ts"

/** A thread that a client wants to run. */
interface Request {
  readonly task: string
  readonly name: string
  readonly caller: string
  readonly payload: string
}

export interface Options {
  readonly store: ThreadStore
  readonly runner: RunnerId
  readonly bodies: Bodies
  /** The wire of each task of the group. */
  readonly wires: ReadonlyMap<string, Outcome.TaskWire>
  readonly escalation: Escalation.Escalation
  readonly context: Context.Context<never>
}

/** How often a runner looks at the row of a thread that another runner still has. */
const lookMillis = 100

/** The store may be away for a while. A thread that has ended waits for it as long. */
const untilStored = { schedule: Schedule.spaced("500 millis"), times: 120 }

/** An ending runner waits no longer for an absent store. */
const longestStore = "1 minute"

const elsewhere: ThreadEvent = { _tag: "Elsewhere" }

export class RunnerThreads {
  private readonly options: Options
  private readonly scope = Scope.makeUnsafe()
  private readonly threads = new Map<string, RunningThread>()
  /** The threads whose end was asked for here. */
  private readonly ending = new WeakSet<RunningThread>()
  /** Each completes when the outcome of a thread is in the store. */
  private readonly starts = new Set<Fiber.Fiber<void>>()
  private isDraining = false

  constructor(options: Options) {
    this.options = options
  }

  /** The events of a thread. The thread starts if it has no row yet. */
  run(id: string, request: Request): Stream.Stream<ThreadEvent> {
    return Stream.unwrap(
      Effect.sync(() => {
        const attached = this.attach(id, request)
        return attached instanceof RunningThread ? attached.events : Stream.succeed(attached)
      })
    )
  }

  /** The same, with the events of the thread's first moment only. */
  start(id: string, request: Request): Effect.Effect<ReadonlyArray<ThreadEvent>> {
    return Effect.suspend(() => {
      const attached = this.attach(id, request)
      return attached instanceof RunningThread ? attached.firstEvents : Effect.succeed([attached])
    })
  }

  /** The thread that runs already, one that starts now, or the reason why none starts. */
  private attach(id: string, request: Request): RunningThread | ThreadEvent {
    const known = this.threads.get(id)
    if (known !== undefined) return known
    if (this.isDraining) return elsewhere
    const { runner } = this.options
    const wire = this.options.wires.get(request.task)
    if (wire === undefined || !this.options.bodies.tasks.has(request.task)) {
      return { _tag: "UnknownTask", runner: nameOf(runner) }
    }
    const running = new RunningThread(id, request.caller, runner, this.options.bodies.canUnwind)
    this.threads.set(id, running)
    // A client that goes away now does not stop the start: the row would never end.
    const start = Effect.runForkWith(this.options.context)(this.begin(running, request, wire))
    this.starts.add(start)
    start.addObserver(() => this.starts.delete(start))
    return running
  }

  /** The thread, if it runs here. */
  threadOf(id: string): Thread.Thread<unknown, unknown> | undefined {
    return this.threads.get(id)?.thread
  }

  /** The threads of callers that are gone end by their escalation. */
  endOrphans(isGone: (caller: string) => boolean): Effect.Effect<void> {
    const orphans = Array.from(this.threads.values()).filter(({ caller }) => isGone(caller))
    return this.endAll(orphans, (one) => CancelReason.parentEnded(one.caller, { message: "The caller is gone" }))
  }

  /** Threads that were killed in the store end here, too: nobody waits for them. */
  endFenced(ids: ReadonlyArray<string>): Effect.Effect<void> {
    const fenced = ids.flatMap((id) => this.threads.get(id) ?? [])
    return this.endAll(fenced, () => CancelReason.interrupted({ message: "The thread was killed in the store" }))
  }

  get size(): number {
    return this.threads.size
  }

  get callers(): ReadonlySet<string> {
    return new Set(Array.from(this.threads.values(), ({ caller }) => caller))
  }

  /**
   * Ends one thread by its escalation, because it can't stay here. A thread without a row so far goes on: the engine
   * also gives up a shard while the store is away, and may give it back to this runner.
   */
  end(id: string, reason: CancelReason.CancelReason): Effect.Effect<void> {
    const running = this.threads.get(id)
    return running?.thread === undefined ? Effect.void : this.endAll([running], () => reason)
  }

  /** Ends all threads by their escalation, starts no more, and waits until the store has their outcomes. */
  drain(reason: CancelReason.CancelReason): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isDraining = true
      return this.endAll(Array.from(this.threads.values()), () => reason).pipe(
        Effect.andThen(Effect.suspend(() => Effect.timeoutOption(Fiber.awaitAll(this.starts), longestStore))),
        // A claim may return after that time. Its thread has the reason, too.
        Effect.andThen(Scope.close(this.scope, failedBy(reason)))
      )
    })
  }

  private endAll(
    all: ReadonlyArray<RunningThread>,
    reasonOf: (one: RunningThread) => CancelReason.CancelReason
  ): Effect.Effect<void> {
    const { escalation } = this.options
    return Effect.forEach(
      all,
      (one) => {
        const { thread } = one
        if (thread === undefined) return Effect.sync(() => one.endEarly(reasonOf(one)))
        if (this.ending.has(one)) return Effect.void
        this.ending.add(one)
        return Thread.shutdown(thread, { escalation, reason: reasonOf(one) })
      },
      { concurrency: "unbounded", discard: true }
    )
  }

  private begin(running: RunningThread, request: Request, wire: Outcome.TaskWire): Effect.Effect<void> {
    const { id } = running
    const { runner, store } = this.options
    const { caller, name, task } = request
    return Effect.gen({ self: this }, function* () {
      const payload = yield* Effect.exit(wire.decodePayload(request.payload))
      if (Exit.isFailure(payload)) return this.over(running, misfit(payload.cause))
      const claimed = yield* store.claim({ id, task, name, caller, runner: runner.incarnation })
      if (claimed._tag === "Known") return this.over(running, yield* this.eventOf(id, claimed.row))
      const { token } = claimed
      const { earlyEnd } = running
      if (earlyEnd !== undefined) return yield* this.store(running, token, wire, failedBy(earlyEnd))
      const begun = Deferred.makeUnsafe<void>()
      const start = { id, token, name, task, payload: payload.value }
      const spawned = yield* Effect.exit(
        Scope.provide(this.options.bodies.spawn(start, Deferred.await(begun)), this.scope)
      )
      if (Exit.isFailure(spawned)) return yield* this.store(running, token, wire, spawned)
      const endMeanwhile = running.earlyEnd
      running.started(spawned.value, token)
      if (endMeanwhile !== undefined) yield* Effect.forkChild(this.endAll([running], () => endMeanwhile))
      Deferred.doneUnsafe(begun, Exit.void)
      // A body without a wait has ended after this turn, and its end goes into the first answer.
      yield* Effect.yieldNow
      if (!hasEnded(spawned.value)) running.answer()
      return yield* this.store(running, token, wire, yield* exitOf(spawned.value))
    }).pipe(
      Effect.catch((error: ClusterError) => Effect.sync(() => this.refuse(running, error))),
      // The runner forgets a thread without an outcome. The row stays.
      Effect.onInterrupt(() => Effect.sync(() => this.over(running, elsewhere)))
    )
  }

  /** The store is away: the thread has not started here. */
  private refuse(running: RunningThread, error: ClusterError): void {
    const { context, runner } = this.options
    logUnhandled(context, { id: 0, name: nameOf(runner) }, error.message)
    this.over(running, elsewhere)
  }

  private store(
    running: RunningThread,
    token: number,
    wire: Outcome.TaskWire,
    exit: Exit.Exit<unknown, unknown>
  ): Effect.Effect<void, ClusterError> {
    const { store } = this.options
    return Effect.gen({ self: this }, function* () {
      const outcome = yield* wire.encodeExit(exit, running.failures)
      const counts = yield* Effect.retry(store.end(running.id, token, outcome), untilStored)
      if (counts) return this.over(running, ended(outcome))
      const row = yield* store.row(running.id)
      this.over(running, { _tag: "Killed", reason: row?.reason ?? null })
    })
  }

  private over(running: RunningThread, last: ThreadEvent): void {
    this.threads.delete(running.id)
    running.over(last)
  }

  /** The last event of a thread by its row. A thread that still runs at another runner is awaited. */
  private eventOf(id: string, row: ThreadRow): Effect.Effect<ThreadEvent, ClusterError> {
    const end = endOf(row)
    return end === undefined ? this.awaitEnd(id, row) : Effect.succeed(end)
  }

  private awaitEnd(id: string, { runner }: ThreadRow): Effect.Effect<ThreadEvent, ClusterError> {
    const { store } = this.options
    if (this.isDraining) return Effect.succeed(elsewhere)
    return Effect.gen({ self: this }, function* () {
      if (runner === this.options.runner.incarnation) {
        yield* store.kill(id, yield* Outcome.encodeReason(lostReason(runner)))
      } else {
        // The rounds of this runner kill the threads of a dead runner.
        yield* Effect.sleep(lookMillis)
      }
      const row = yield* store.row(id)
      return row === undefined ? elsewhere : yield* this.eventOf(id, row)
    })
  }
}

/** Without a row, the client can rule out a later start. */
const misfit = (cause: Cause.Cause<ClusterError>): ThreadEvent => {
  const error = Cause.squash(cause)
  const problem = isClusterError(error) && error.reason._tag === "NotSendable" ? error.reason.problem : messageOf(error)
  return { _tag: "Misfit", problem }
}

const failedBy = (reason: CancelReason.CancelReason): Exit.Exit<never> => Exit.failCause(CancelReason.toCause(reason))

const ended = (outcome: string): ThreadEvent => ({ _tag: "Ended", outcome })
