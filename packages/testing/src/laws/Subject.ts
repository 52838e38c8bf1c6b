/**
 * The subject under test, as one record of functions. The default is core itself. A planted fault replaces one function,
 * and an adapter replaces `spawn`.
 *
 * @since 0.1.0
 */
import * as Blocking from "@quiesce/core/Blocking"
import type * as CancelReason from "@quiesce/core/CancelReason"
import * as Deadline from "@quiesce/core/Deadline"
import type * as Escalation from "@quiesce/core/Escalation"
import * as Lease from "@quiesce/core/Lease"
import type * as ShutdownReport from "@quiesce/core/ShutdownReport"
import * as Abort from "@quiesce/core/Abort"
import type * as StopToken from "@quiesce/core/StopToken"
import * as Thread from "@quiesce/core/Thread"
import * as ThreadGroup from "@quiesce/core/ThreadGroup"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import type * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type * as Semaphore from "effect/Semaphore"
import type { Spin } from "./Program.ts"

/**
 * A thread of a program, with unknown value and error types.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type AnyThread = Thread.Thread<unknown, unknown>

/**
 * An effect with an unknown error type.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Work<A = unknown, R = never> = Effect.Effect<A, unknown, R>

/**
 * The events of a lease that the host keeps.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Kept {
  readonly thread: string
  readonly scope: string
  readonly acquired: Effect.Effect<void>
  readonly releasing: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
  readonly released: Effect.Effect<void>
}

/**
 * The functions under test.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Subject {
  /** Whether threads run behind the controls of an adapter. */
  readonly isElsewhere: boolean
  readonly spawn: (effect: Work<unknown, Scope.Scope>, options: Thread.SpawnOptions) => Work<AnyThread, Scope.Scope>
  readonly stop: (thread: AnyThread, reason: CancelReason.CancelReason) => Work
  readonly interrupt: (thread: AnyThread, reason: CancelReason.CancelReason) => Work
  readonly interruptFork: (thread: AnyThread, reason: CancelReason.CancelReason) => Work
  readonly shutdown: (
    thread: AnyThread,
    escalation: Escalation.Escalation,
    reason: CancelReason.CancelReason
  ) => Work<ShutdownReport.ShutdownReport>
  readonly raise: (thread: AnyThread, error: unknown) => Work<boolean>
  readonly raiseWithin: (thread: AnyThread, error: unknown, millis: number) => Work<boolean>
  readonly await: (thread: AnyThread) => Work<Exit.Exit<unknown, unknown>>
  readonly joinWithin: (thread: AnyThread, millis: number) => Work<Option.Option<unknown>>
  readonly receive: <R>(work: Work<unknown, R>, error: Thread.Receivable) => Work<unknown, R>
  readonly untilStopped: <R>(work: Work<unknown, R>) => Work<unknown, R>
  readonly checkpoint: Work
  /** Whether the requests to the current thread have arrived where it runs. Between two machines they take a while. */
  readonly hasArrived: Work<boolean>
  readonly lease: (
    options: Lease.Options<string, unknown, Scope.Scope, unknown, Scope.Scope>
  ) => Work<string, Scope.Scope>
  /** Acquires a lease that the host keeps, if the adapter supports that. `noted` gets the events of the lease. */
  readonly keep: (name: string, noted: Kept) => Work<unknown, Scope.Scope>
  readonly spin: (how: Spin, section: () => void) => Work
  readonly poll: (section: (token: StopToken.StopToken) => void) => Work
  /** An interruptible section that may be ended at its deadline. */
  readonly busy: (section: (token: StopToken.StopToken) => void) => Work
  /** Takes down the worker of the thread. A fiber only dies, because its process can't be taken down. */
  readonly crash: (how: "exit" | "throw") => Work
  readonly deadline: <R>(work: Work<unknown, R>, millis: number) => Work<unknown, R>
  readonly makeGroup: (policy: ThreadGroup.Policy) => Work<ThreadGroup.ThreadGroup<unknown>, Scope.Scope>
  readonly spawnInto: (
    group: ThreadGroup.ThreadGroup<unknown>,
    effect: Work<unknown, Scope.Scope>,
    options: Thread.SpawnOptions
  ) => Work<AnyThread>
  readonly joinGroup: (group: ThreadGroup.ThreadGroup<unknown>) => Work
  readonly mask: <R>(work: Work<unknown, R>) => Work<unknown, R>
  readonly restore: <R>(work: Work<unknown, R>) => Work<unknown, R>
  readonly send: (queue: Queue.Queue<number>, item: number) => Work
  readonly take: (queue: Queue.Queue<number>) => Work<number>
  readonly lock: <R>(semaphore: Semaphore.Semaphore, work: Work<unknown, R>) => Work<unknown, R>
  readonly promise: (f: (signal: AbortSignal) => Promise<void>, settle: number | undefined) => Work
}

const silent: ReadonlySet<never> = new Set()

/**
 * Core's threads on fibers.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const core: Subject = {
  isElsewhere: false,
  spawn: (effect, options) => Thread.spawn(effect, options),
  stop: (thread, reason) => Thread.stop(thread, { reason }),
  interrupt: (thread, reason) => Thread.interrupt(thread, { reason }),
  interruptFork: (thread, reason) => Thread.interruptFork(thread, { reason }),
  shutdown: (thread, escalation, reason) => Thread.shutdown(thread, { escalation, reason }),
  raise: (thread, error) => Thread.raise(thread, error as Thread.Raisable),
  raiseWithin: (thread, error, millis) => Thread.raiseWithin(thread, error as Thread.Raisable, millis),
  await: Thread.await,
  joinWithin: Thread.joinWithin,
  receive: Thread.receive,
  untilStopped: Thread.untilStopped,
  checkpoint: Thread.checkpoint,
  hasArrived: Effect.succeed(true),
  lease: Lease.acquire,
  keep: (name, { acquired, released, releasing }) =>
    Lease.acquire({ name, acquire: acquired, release: (_, exit) => Effect.andThen(releasing(exit), released) }),
  spin: (how, section) => {
    if (how === "plain") return Effect.sync(section)
    return how === "interruptible" ? Blocking.interruptible(section) : Blocking.uninterruptible(section)
  },
  // The section ends by itself, so nothing has to end it by force.
  poll: (section) => Blocking.interruptible(section, { grace: "1 minute" }),
  busy: (section) => Blocking.interruptible(section),
  crash: (how) => Effect.die(new Error(`It would ${how} here`)),
  // The failures of finalizers after a deadline are logged, and the programs have many.
  deadline: (work, millis) => Effect.provideService(Deadline.within(work, millis), Logger.CurrentLoggers, silent),
  makeGroup: (policy) => ThreadGroup.make<unknown>({ policy }),
  spawnInto: (group, effect, options) => ThreadGroup.spawn(group, effect, options),
  joinGroup: ThreadGroup.joinAll,
  mask: Effect.uninterruptible,
  restore: Effect.interruptible,
  // In Effect 4.1 a take wakes the next sender inside its own step. If the sender resumed at once and ended the taker, the
  // taken item would be lost. So the sender yields first.
  send: (queue, item) => Effect.tap(Queue.offer(queue, item), Effect.yieldNow),
  take: (queue) => Queue.take(queue),
  lock: (semaphore, work) => semaphore.withPermits(1)(work),
  promise: (f, settle) => Abort.promise(f, { settle })
}
