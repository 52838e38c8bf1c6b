/**
 * A thread: a supervised unit of work with a scope. Other code can stop, interrupt, shut down and join a thread, and raise
 * errors into it. A thread that has ended has released all its leases.
 *
 * A thread lives in the scope of its spawn, and has a scope of its own for children and leases. At the end of the thread,
 * the children end first, and then the leases are released, the latest first. A thread that ends without a named
 * escalation, because its scope closes or its parent ends, climbs its own escalation.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import type { Pipeable } from "effect/Pipeable"
import { hasProperty } from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as CancelReason from "./CancelReason.ts"
import * as Escalation from "./Escalation.ts"
import { finiteMillis } from "./internal/duration.ts"
import { CurrentNode, root } from "./internal/currentThread.ts"
import { EncodedError } from "./internal/encodedError.ts"
import { Inbox, nothing, type RaisedError, type RaiseHandler } from "./internal/inbox.ts"
import * as Ladder from "./internal/ladder.ts"
import * as CancelScope from "./internal/cancelScope.ts"
import * as Report from "./internal/report.ts"
import { withReason } from "./internal/request.ts"
import * as Spawn from "./internal/spawn.ts"
import { nodeOf, type ThreadNode, TypeId } from "./internal/threadNode.ts"
import type { ShutdownReport } from "./ShutdownReport.ts"
import * as Signal from "./Signal.ts"
import type { ThreadControls } from "./ThreadControls.ts"
import * as ThreadError from "./ThreadError.ts"
import { textOf } from "./internal/foreignText.ts"
import { isRaisable, readOr } from "./internal/foreignValue.ts"

/**
 * A handle on a thread. Handles are cheap and may be passed around. The thread itself ends with its scope.
 *
 * @category models
 * @since 0.1.0
 */
export interface Thread<out A, out E = never> extends Pipeable {
  readonly [TypeId]: typeof TypeId
  readonly id: number
  readonly name: string
  /** Undefined for a thread that was spawned outside any thread. */
  readonly parent: Thread<unknown, unknown> | undefined
  /** Aborts when the thread is asked to stop or is interrupted, with the first reason's error. */
  readonly stopSignal: AbortSignal
  /** Aborts when the thread is interrupted, with the first reason's error. */
  readonly signal: AbortSignal
  /** The first reason of a stop or a cancel; undefined before any. */
  readonly reason: CancelReason.CancelReason | undefined
  /** The adapter's side of the thread. */
  readonly controls: ThreadControls<A, E>
}

/**
 * The state of a thread. A `Queued` thread waits for a place to run, such as a free worker. `Stopping` and `Cancelled`
 * carry the first reason, and `Cancelled` the highest rung so far.
 *
 * @category models
 * @since 0.1.0
 */
export type Status<A, E> =
  | { readonly _tag: "Queued" }
  | { readonly _tag: "Running" }
  | { readonly _tag: "Stopping"; readonly reason: CancelReason.CancelReason }
  | { readonly _tag: "Cancelled"; readonly reason: CancelReason.CancelReason; readonly rung: Escalation.Rung }
  | { readonly _tag: "Abandoned"; readonly exit: Exit.Exit<A, E> }
  | { readonly _tag: "Done"; readonly exit: Exit.Exit<A, E> }

/**
 * How a thread is started.
 *
 * `name` defaults to `thread-<id>`, and `escalation` to `Escalation.Current`. With `startImmediately`, the thread runs up to
 * its first wait before `spawn` returns.
 *
 * @category models
 * @since 0.1.0
 */
export interface SpawnOptions {
  readonly name?: string | undefined
  readonly escalation?: Escalation.Escalation | undefined
  readonly startImmediately?: boolean | undefined
}

/**
 * Whether a value is a thread.
 *
 * @category guards
 * @since 0.1.0
 */
export const isThread = (u: unknown): u is Thread<unknown, unknown> => readOr(() => hasProperty(u, TypeId), false)

// ---- Starting ----

/**
 * Starts `effect` as a thread in the current scope. The thread has a scope of its own: its children end and its leases are
 * released before the thread has ended.
 *
 * Fails with `ScopeClosed` if the scope has closed already. In the scope of a cancelled thread nothing starts: the
 * returned thread has ended, with the same reason.
 *
 * *Cancellation*: either no thread exists, or the thread is in its scope and ends with the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const spawn: {
  (
    options?: SpawnOptions
  ): <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<Thread<A, E>, ThreadError.ThreadError, Exclude<R, Scope.Scope> | Scope.Scope>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    options?: SpawnOptions
  ): Effect.Effect<Thread<A, E>, ThreadError.ThreadError, Exclude<R, Scope.Scope> | Scope.Scope>
} = dual((args) => Effect.isEffect(args[0]), Spawn.spawn)

// ---- Ending ----

/**
 * Asks a thread and its descendants to end by themselves: `stopSignal` aborts, and nothing is forced. Returns at once. Only
 * the first reason counts. An ended thread is left alone.
 *
 * @category stopping
 * @since 0.1.0
 */
export const stop = <A, E>(
  self: Thread<A, E>,
  reason: CancelReason.CancelReason = defaultStop
): Effect.Effect<void, ThreadError.ThreadError> => withReason(reason, (stamped) => Ladder.stop(nodeOf(self), stamped))

/**
 * Interrupts a thread and waits without limit until the last finalizer has run. Every caller waits. An ended thread is left
 * alone. A thread that interrupts itself or an ancestor does not wait, because the wait would be for itself.
 *
 * *Cancellation*: only the wait ends; the thread stays interrupted.
 *
 * @category stopping
 * @since 0.1.0
 */
export const interrupt = <A, E>(
  self: Thread<A, E>,
  reason: CancelReason.CancelReason = defaultInterrupt
): Effect.Effect<void, ThreadError.ThreadError> =>
  withReason(reason, (stamped, current, by) => {
    const node = nodeOf(self)
    // On a fiber the request is made in this very step, so that no other step can come between.
    const onFiber = node.controls.interruptUnsafe !== undefined
    if (onFiber) Ladder.interruptUnsafe(node, stamped, "interrupt", by)
    const asked = onFiber ? Effect.void : Ladder.interrupt(node, stamped)
    if (!node.isAlive || node.contains(current)) return asked
    const ended = settlement(node, () => Effect.void)
    return onFiber ? ended : Effect.andThen(asked, ended)
  })

/**
 * Interrupts a thread and returns at once.
 *
 * @category stopping
 * @since 0.1.0
 */
export const interruptFork = <A, E>(
  self: Thread<A, E>,
  reason: CancelReason.CancelReason = defaultInterrupt
): Effect.Effect<void, ThreadError.ThreadError> =>
  withReason(reason, (stamped) => Ladder.interrupt(nodeOf(self), stamped))

/**
 * Ends a thread by climbing `escalation` (default: the thread's own) and returns a report. The climb always ends: a thread
 * that outlasts the last rung is abandoned, and its waiters resume. If a release of the thread hangs, the remaining releases
 * run before, within the grace of the last rung once more.
 *
 * Fails with `SelfJoin` if a thread shuts down itself or an ancestor, and with `InvalidEscalation`.
 *
 * *Gotchas*: the report has the stack of a thread that has outlasted a rung. The search for the stack delays the next rung
 * by a fifth of a second at most, and a kill or an abandon by one second at most.
 *
 * *Cancellation*: the climb stops, but its requests stand. The thread still ends with its scope.
 *
 * @category stopping
 * @since 0.1.0
 */
export const shutdown = <A, E>(
  self: Thread<A, E>,
  escalation?: Escalation.Escalation,
  options?: { readonly reason?: CancelReason.CancelReason | undefined }
): Effect.Effect<ShutdownReport, ThreadError.ThreadError> =>
  withReason(options?.reason ?? defaultShutdown, (stamped, current) => {
    const node = nodeOf(self)
    if (node.contains(current)) return Effect.fail(ThreadError.make({ _tag: "SelfJoin", thread: node.name }))
    const steps = Escalation.steps(escalation ?? node.escalation)
    if (Result.isFailure(steps)) return Effect.fail(steps.failure)
    return Effect.map(Report.shutdown(node, [node], steps.success, stamped), (reports) => reports[0]!)
  })

/**
 * Raises an error into a thread. The innermost `receive` that accepts the error claims it: the work inside is interrupted,
 * its finalizers run, and then `receive` fails with the raised error itself. The thread may continue.
 *
 * Waits for the outcome: `true` if exactly one `receive` got the error, `false` if the thread ended first. Fails with
 * `InvalidError` if `error` is not an error, or throws when it is read.
 *
 * *Cancellation*: an error without a claim is withdrawn, as if nobody had raised the error. A claimed error is not withdrawn.
 *
 * @category stopping
 * @since 0.1.0
 */
export const raise = <A, E>(self: Thread<A, E>, error: unknown): Effect.Effect<boolean, ThreadError.ThreadError> => {
  if (!isRaisable(error)) {
    return Effect.fail(ThreadError.make({ _tag: "InvalidError", given: textOf(error) }))
  }
  return Effect.suspend(() => self.controls.raise(error))
}

// ---- Waiting ----

/**
 * Waits for the exit of a thread, and never changes the thread. All waiters see the same exit.
 *
 * *Cancellation*: only the wait ends.
 *
 * @category joining
 * @since 0.1.0
 */
const await_ = <A, E>(self: Thread<A, E>): Effect.Effect<Exit.Exit<A, E>, ThreadError.ThreadError> =>
  notSelf(self, self.controls.exit)
export { await_ as await }

/**
 * Waits for a thread, and returns its value or fails with its error. An interrupted thread interrupts the fiber that joins.
 * A join never changes the thread. Fails with `SelfJoin` if a thread joins itself.
 *
 * *Cancellation*: only the wait ends.
 *
 * @category joining
 * @since 0.1.0
 */
export const join = <A, E>(self: Thread<A, E>): Effect.Effect<A, E | ThreadError.ThreadError> =>
  notSelf(
    self,
    settlement(nodeOf(self), (exit) => exit)
  )

/**
 * Joins a thread, but waits at most for `duration`. The result is none if the thread is still alive; the thread runs on.
 *
 * *Cancellation*: only the wait ends.
 *
 * @category joining
 * @since 0.1.0
 */
export const joinWithin: {
  (duration: Duration.Input): <A, E>(self: Thread<A, E>) => Effect.Effect<Option.Option<A>, E | ThreadError.ThreadError>
  <A, E>(self: Thread<A, E>, duration: Duration.Input): Effect.Effect<Option.Option<A>, E | ThreadError.ThreadError>
} = dual(
  2,
  <A, E>(self: Thread<A, E>, duration: Duration.Input): Effect.Effect<Option.Option<A>, E | ThreadError.ThreadError> =>
    Effect.flatMap(Effect.fromResult(finiteMillis("joinWithin's duration", duration)), (millis) =>
      timedJoin(self, millis)
    )
)

const timedJoin = <A, E>(
  self: Thread<A, E>,
  millis: number
): Effect.Effect<Option.Option<A>, E | ThreadError.ThreadError> =>
  Effect.flatMap(Effect.timeoutOption(await_(self), millis), (exit) =>
    Option.isNone(exit) ? Effect.succeedNone : Effect.asSome(exit.value)
  )

/**
 * Joins threads, which may have different types, one after another.
 *
 * Without a limit, all threads are awaited. `each` limits the wait for every single thread, as Python's `join(timeout)` in a
 * loop does: the limits add up. `within` is one budget for all threads. With a limit, the result of a thread that is still
 * alive is none, and the thread runs on.
 *
 * *Cancellation*: only the wait ends.
 *
 * @category joining
 * @since 0.1.0
 */
export const joinAll: {
  <T extends Thread<unknown, unknown>>(
    threads: Iterable<T>
  ): Effect.Effect<Array<Value<T>>, Failure<T> | ThreadError.ThreadError>
  <T extends Thread<unknown, unknown>>(
    threads: Iterable<T>,
    options: { readonly each: Duration.Input } | { readonly within: Duration.Input }
  ): Effect.Effect<Array<Option.Option<Value<T>>>, Failure<T> | ThreadError.ThreadError>
} = <A, E>(
  threads: Iterable<Thread<A, E>>,
  options?: { readonly each: Duration.Input } | { readonly within: Duration.Input }
): Effect.Effect<never, E | ThreadError.ThreadError> =>
  // The overloads say which of the two arrays the result is.
  joinEach(threads, options) as Effect.Effect<never, E | ThreadError.ThreadError>

/** The value type of a thread. */
type Value<T> = T extends Thread<infer A, infer _E> ? A : never

/** The error type of a thread. */
type Failure<T> = T extends Thread<infer _A, infer E> ? E : never

const joinEach = <A, E>(
  threads: Iterable<Thread<A, E>>,
  options: { readonly each: Duration.Input } | { readonly within: Duration.Input } | undefined
): Effect.Effect<Array<A> | Array<Option.Option<A>>, E | ThreadError.ThreadError> => {
  if (options === undefined) return Effect.forEach(threads, join)
  if ("each" in options) {
    return Effect.flatMap(Effect.fromResult(finiteMillis("joinAll's each", options.each)), (millis) =>
      Effect.forEach(threads, (thread) => timedJoin(thread, millis))
    )
  }
  return Effect.flatMap(Effect.fromResult(finiteMillis("joinAll's within", options.within)), (millis) =>
    Clock.clockWith((clock) => {
      const end = clock.currentTimeMillisUnsafe() + millis
      return Effect.forEach(threads, (thread) =>
        Effect.suspend(() => timedJoin(thread, Math.max(0, end - clock.currentTimeMillisUnsafe())))
      )
    })
  )
}

const queued: Status<never, never> = { _tag: "Queued" }

/**
 * The state of a thread now.
 *
 * @category observing
 * @since 0.1.0
 */
export const status = <A, E>(self: Thread<A, E>): Effect.Effect<Status<A, E>> =>
  Effect.sync(() => {
    const { isQueued, state } = nodeOf(self)
    if (isQueued) return queued
    if (state._tag !== "Settled") return state
    // A settled node has an exit: invariant 2 of the settlement.
    const exit = self.controls.poll()!
    return { _tag: state.abandoned ? "Abandoned" : "Done", exit }
  })

/**
 * Whether a thread has not ended yet. An abandoned thread counts as ended.
 *
 * @category observing
 * @since 0.1.0
 */
export const isAlive = <A, E>(self: Thread<A, E>): Effect.Effect<boolean> => Effect.sync(() => nodeOf(self).isAlive)

// ---- Inside ----

/**
 * The thread that the current fiber belongs to.
 *
 * @category inside
 * @since 0.1.0
 */
export const current: Effect.Effect<Thread<unknown, unknown>, ThreadError.ThreadError> = Effect.suspend(() =>
  inside("Thread.current", Effect.succeed)
)

/**
 * Whether the current thread was asked to stop or was interrupted.
 *
 * @category inside
 * @since 0.1.0
 */
export const stopRequested: Effect.Effect<boolean, ThreadError.ThreadError> = Effect.suspend(() =>
  inside("Thread.stopRequested", (node) =>
    Effect.succeed(node.reason !== undefined || node.flags?.stopRequested === true)
  )
)

/**
 * Waits until the current thread is asked to stop, and returns the reason.
 *
 * *Cancellation*: only the wait ends.
 *
 * @category inside
 * @since 0.1.0
 */
export const awaitStop: Effect.Effect<CancelReason.CancelReason, ThreadError.ThreadError> = Effect.suspend(() =>
  inside("Thread.awaitStop", (node) =>
    Effect.map(Signal.awaitAbort(node.stopSignal), (reason) => node.reason ?? CancelReason.fromUnknown(reason))
  )
)

/**
 * Runs an effect until the effect ends or the current thread is asked to stop. A stop interrupts the effect with the reason;
 * its finalizers run, the result is none, and the thread continues.
 *
 * @category inside
 * @since 0.1.0
 */
export const untilStopped = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<Option.Option<A>, E | ThreadError.ThreadError, R> =>
  inside("Thread.untilStopped", (node) => {
    let stopped = false
    const result = CancelScope.run(
      effect,
      (interrupt) =>
        Signal.onAbort(node.stopSignal, () => {
          stopped = true
          interrupt(node.reason!)
        }),
      (exit) => (stopped && Exit.isFailure(exit) && Exit.hasInterrupts(exit) ? givenUp(exit) : Effect.asSome(exit))
    )
    // An interrupt aborts `stopSignal` just before it reaches the fiber. It reaches an unmasked fiber in this step.
    return Effect.tap(result, () => (node.state._tag === "Cancelled" ? Effect.yieldNow : Effect.void))
  })

/** None, unless a finalizer failed. */
const givenUp = (exit: Exit.Failure<unknown, unknown>): Effect.Effect<Option.Option<never>> =>
  Effect.as(CancelScope.withoutInterrupts(exit), Option.none())

/**
 * A point at which the current thread lets other fibers run and, if it was interrupted, ends.
 *
 * @category inside
 * @since 0.1.0
 */
export const checkpoint: Effect.Effect<void, ThreadError.ThreadError> = Effect.suspend(() =>
  inside("Thread.checkpoint", (node) =>
    // A cancel that comes while the fiber is queued reaches the fiber at its next wait, which is here.
    Effect.andThen(
      Effect.yieldNow,
      Effect.suspend(() => (node.isCancelled ? Effect.yieldNow : Effect.void))
    )
  )
)

/**
 * Runs an effect that accepts errors raised from outside. `error` is the Schema of the accepted errors, such as a class made
 * by `Schema.TaggedError`. When such an error is raised, the effect is interrupted, its finalizers run, and `receive` fails
 * with the raised error, which can be caught like any other error.
 *
 * Among nested calls of `receive`, the innermost that accepts an error gets the error. Each call gets one error at most.
 *
 * @category inside
 * @since 0.1.0
 */
export const receive: {
  <E2>(
    error: Schema.Schema<E2>
  ): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | E2 | ThreadError.ThreadError, R>
  <A, E, R, E2>(
    effect: Effect.Effect<A, E, R>,
    error: Schema.Schema<E2>
  ): Effect.Effect<A, E | E2 | ThreadError.ThreadError, R>
} = dual(
  2,
  <A, E, R, E2>(
    effect: Effect.Effect<A, E, R>,
    error: Schema.Schema<E2>
  ): Effect.Effect<A, E | E2 | ThreadError.ThreadError, R> =>
    inside("Thread.receive", (node) =>
      Effect.suspend(() => {
        const inbox = (node.inbox ??= new Inbox())
        const decode = decoderOf(error)
        let handler: RaiseHandler
        return CancelScope.run(
          effect,
          (interrupt) => {
            handler = {
              accepts: (raised) => Option.isSome(decode(raised)),
              interrupt: () => interrupt(interruptedByRaise),
              hold: nothing
            }
            inbox.enter(handler)
            return (interruptedAsWhole) => inbox.leave(handler, interruptedAsWhole)
          },
          (exit): Effect.Effect<A, E | E2> => {
            if (handler.hold._tag !== "Claimed") return exit
            const { raised } = handler.hold
            raised.answer(true)
            // The handler claims only errors that it can decode.
            const failure = Effect.fail(Option.getOrThrow(decode(raised)))
            return Exit.isFailure(exit) ? Effect.ensuring(failure, CancelScope.withoutInterrupts(exit)) : failure
          }
        )
      })
    )
)

/**
 * Decodes an error that crossed from another thread. Any other raised error is returned unchanged. Each error is decoded
 * once by each Schema, because it is offered to one handler after the other while it waits.
 */
const decoderOf = <E>(schema: Schema.Schema<E>): ((raised: RaisedError) => Option.Option<E>) => {
  const is = Schema.is(schema)
  // A schema that needs services to decode accepts only errors of this JavaScript thread.
  const decode = Schema.decodeUnknownOption(schema as Schema.Codec<E, unknown>)
  const accept = (error: unknown): Option.Option<E> => {
    if (error instanceof EncodedError) return decode(error.encoded)
    return is(error) ? Option.some(error) : Option.none()
  }
  return ({ decoded, error }) => {
    // Only this function writes under the Schema.
    const known = decoded.get(schema) as Option.Option<E> | undefined
    if (known !== undefined) return known
    // An error whose parts throw is not accepted.
    const result = readOr(() => accept(error), Option.none())
    decoded.set(schema, result)
    return result
  }
}

const interruptedByRaise = CancelReason.interrupted("An error was raised into this work")

// ---- Shared steps ----

const defaultStop = CancelReason.stopped()
const defaultInterrupt = CancelReason.interrupted()
const defaultShutdown = CancelReason.shutdown()

const inside = <A, E, R>(
  operation: string,
  f: (node: ThreadNode) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | ThreadError.ThreadError, R> =>
  Effect.withFiber((fiber): Effect.Effect<A, E | ThreadError.ThreadError, R> => {
    const node = fiber.getRef(CurrentNode)
    return node === root ? Effect.fail(ThreadError.make({ _tag: "OutsideThread", operation })) : f(node)
  })

/** Waits until a node has settled. Each step of a wait counts, so `then` is called without a further Effect. */
const settlement = <A, E, B, E2>(
  node: ThreadNode<A, E>,
  then: (exit: Exit.Exit<A, E>) => Effect.Effect<B, E2>
): Effect.Effect<B, E2> =>
  Effect.callback((resume) => {
    const exit = node.controls.poll()
    if (exit !== undefined) return resume(then(exit))
    return Effect.sync(node.onSettled((late) => resume(then(late))))
  })

const notSelf = <A, B>(
  self: Thread<unknown, unknown>,
  effect: Effect.Effect<A, B>
): Effect.Effect<A, B | ThreadError.ThreadError> =>
  Effect.withFiber((fiber): Effect.Effect<A, B | ThreadError.ThreadError> =>
    fiber.getRef(CurrentNode) === nodeOf(self)
      ? Effect.fail(ThreadError.make({ _tag: "SelfJoin", thread: self.name }))
      : effect
  )
