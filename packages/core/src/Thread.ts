/**
 * A thread: a supervised unit of work that can be stopped, raised into, interrupted, shut down and joined, and that
 * has released everything it held when it has ended.
 *
 * A thread lives in the scope that it is spawned into and is a scope of its own: what it spawns and acquires without
 * another scope ends with it, children first, then leases, the latest first. Whatever ends a thread without naming an
 * escalation (its scope closes, its parent ends) climbs the thread's own.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { format } from "effect/Formatter"
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
import { Inbox, type RaiseHandler } from "./internal/inbox.ts"
import * as Ladder from "./internal/ladder.ts"
import * as CancelScope from "./internal/cancelScope.ts"
import * as Report from "./internal/report.ts"
import { withReason } from "./internal/request.ts"
import * as Spawn from "./internal/spawn.ts"
import { type ThreadNode, TypeId } from "./internal/threadNode.ts"
import type { ShutdownReport } from "./ShutdownReport.ts"
import * as Signal from "./Signal.ts"
import type { ThreadControls } from "./ThreadControls.ts"
import * as ThreadError from "./ThreadError.ts"

/**
 * A handle on a thread. Handles are cheap and may be passed around; what they stand for ends with its scope.
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
  /** Why it was asked to end; undefined while nobody has asked. */
  readonly reason: CancelReason.CancelReason | undefined
  /** How it is reached: the adapter's side. */
  readonly controls: ThreadControls<A, E>
}

/**
 * The state of a thread. `Stopping` and `Cancelled` carry the first reason, and `Cancelled` the highest rung so far.
 *
 * @category models
 * @since 0.1.0
 */
export type Status<A, E> =
  | { readonly _tag: "Running" }
  | { readonly _tag: "Stopping"; readonly reason: CancelReason.CancelReason }
  | { readonly _tag: "Cancelled"; readonly reason: CancelReason.CancelReason; readonly rung: Escalation.Rung }
  | { readonly _tag: "Abandoned"; readonly exit: Exit.Exit<A, E> }
  | { readonly _tag: "Done"; readonly exit: Exit.Exit<A, E> }

/**
 * How a thread is started.
 *
 * `name` defaults to `thread-<id>`; `escalation` to `Escalation.Current`; with `startImmediately` it runs up to its
 * first wait before `spawn` returns.
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
export const isThread = (u: unknown): u is Thread<unknown, unknown> => hasProperty(u, TypeId)

/** Every handle is a node of the tree; only this package makes them. */
const nodeOf = <A, E>(self: Thread<A, E>): ThreadNode<A, E> => self as unknown as ThreadNode<A, E>

// ---- Starting ----

/**
 * Starts `effect` as a thread in the current scope. It has a scope of its own, so its leases and children are released
 * before it has ended.
 *
 * Fails with `ScopeClosed` when the scope has closed already. In the scope of a thread that was cancelled nothing
 * starts: the thread that is returned has ended, for the same reason.
 *
 * *Cancellation*: either the thread does not exist, or it is in its scope and ends with that.
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

// ---- Asking it to end ----

/**
 * Asks a thread, and all that it has spawned, to end by itself: `stopSignal` aborts, nothing is forced. Returns at
 * once. Only the first reason counts; on a thread that has ended it does nothing.
 *
 * @category stopping
 * @since 0.1.0
 */
export const stop = <A, E>(
  self: Thread<A, E>,
  reason: CancelReason.CancelReason = defaultStop
): Effect.Effect<void, ThreadError.ThreadError> => withReason(reason, (stamped) => Ladder.stop(nodeOf(self), stamped))

/**
 * Interrupts a thread and waits until its last finalizer has run, however long that takes. Every caller waits; on a
 * thread that has ended it does nothing. A thread that interrupts itself or one of its ancestors does not wait, as it
 * would wait for itself.
 *
 * *Cancellation*: the thread stays interrupted; only the waiting ends.
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
    // On a fiber this very step is the request, so that nothing can come between.
    const onFiber = node.controls.interruptUnsafe !== undefined
    if (onFiber) Ladder.interruptUnsafe(node, stamped, "interrupt", by)
    const asked = onFiber ? Effect.void : Ladder.interrupt(node, stamped)
    if (!node.isAlive || node.contains(current)) return asked
    const ended = Effect.asVoid(node.controls.exit)
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
 * Ends a thread by climbing `escalation`, by default its own, and reports what happened. It always ends: a thread that
 * outlasts the last rung is abandoned, and so are those who wait for it freed.
 *
 * Fails with `SelfJoin` when a thread would shut down itself or one of its ancestors, and with `InvalidEscalation`.
 *
 * *Gotchas*: the report says where the thread was when it had outlasted a rung. To find that out, the next one waits for
 * a fifth of a second at most, and for one second before the thread is killed or abandoned.
 *
 * *Cancellation*: what was asked stays asked; nobody climbs on. The thread still ends with its scope.
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
 * Raises an error into a thread. The innermost `receive` that accepts the error gets it: the work inside is interrupted,
 * its finalizers run, then that `receive` fails with the raised error itself, and the thread may go on.
 *
 * Waits until then and gives `true`, or `false` when the thread ended first. Exactly one `receive` gets the error. Fails
 * with `InvalidError` when `error` is not an error.
 *
 * *Cancellation*: an error that no `receive` has claimed yet is withdrawn, as if it had not been raised.
 *
 * @category stopping
 * @since 0.1.0
 */
export const raise = <A, E>(self: Thread<A, E>, error: unknown): Effect.Effect<boolean, ThreadError.ThreadError> => {
  if (!(error instanceof Error || error instanceof EncodedError || hasProperty(error, "_tag"))) {
    return Effect.fail(ThreadError.make({ _tag: "InvalidError", given: format(error) }))
  }
  return Effect.suspend(() => self.controls.raise(error))
}

// ---- Waiting for it ----

/**
 * Waits for the exit of a thread, and never changes the thread. Everybody sees the same exit.
 *
 * *Cancellation*: only the waiting ends.
 *
 * @category joining
 * @since 0.1.0
 */
const await_ = <A, E>(self: Thread<A, E>): Effect.Effect<Exit.Exit<A, E>, ThreadError.ThreadError> =>
  notSelf(self, self.controls.exit)
export { await_ as await }

/**
 * Waits for a thread and gives its value or fails as it failed; a thread that was interrupted interrupts whoever joins
 * it. Never changes the thread. Fails with `SelfJoin` when a thread joins itself.
 *
 * *Cancellation*: only the waiting ends.
 *
 * @category joining
 * @since 0.1.0
 */
export const join = <A, E>(self: Thread<A, E>): Effect.Effect<A, E | ThreadError.ThreadError> =>
  Effect.flatten(await_(self))

/**
 * Joins, but waits at most for `duration`: none when the thread was still alive then. It runs on all the same.
 *
 * *Cancellation*: only the waiting ends.
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
 * Joins threads, which may be of different types, one after another.
 *
 * Without a limit it waits for all. With `each`, every single one is waited for at most that long before the next, as
 * with Python's `join(timeout)` in a loop: the limits add up. With `within`, all share one budget. With a limit a
 * thread that was still alive gives none; it runs on all the same.
 *
 * *Cancellation*: only the waiting ends.
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
  // The overloads say which of the two arrays it is.
  joinEach(threads, options) as Effect.Effect<never, E | ThreadError.ThreadError>

/** What a thread gives. */
type Value<T> = T extends Thread<infer A, infer _E> ? A : never

/** How a thread may fail. */
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

/**
 * The state of a thread now.
 *
 * @category observing
 * @since 0.1.0
 */
export const status = <A, E>(self: Thread<A, E>): Effect.Effect<Status<A, E>> =>
  Effect.sync(() => {
    const state = nodeOf(self).state
    if (state._tag !== "Settled") return state
    // A node that has settled has an exit: invariant 2 of the settlement.
    const exit = self.controls.poll()!
    return { _tag: state.abandoned ? "Abandoned" : "Done", exit }
  })

/**
 * Whether a thread has not ended yet. An abandoned one counts as ended.
 *
 * @category observing
 * @since 0.1.0
 */
export const isAlive = <A, E>(self: Thread<A, E>): Effect.Effect<boolean> => Effect.sync(() => nodeOf(self).isAlive)

// ---- Inside ----

/**
 * The thread that runs this.
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
 * Waits until the current thread is asked to stop, and gives the reason.
 *
 * *Cancellation*: only the waiting ends.
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
 * Runs an effect until it ends or the current thread is asked to stop. Then the effect is interrupted with the reason,
 * its finalizers run, and the result is none; the thread goes on.
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
    // An interrupt aborts `stopSignal` just before it reaches the fiber: here it does, unless it is masked.
    return Effect.tap(result, () => (node.state._tag === "Cancelled" ? Effect.yieldNow : Effect.void))
  })

/** None, unless a finalizer failed on the way. */
const givenUp = (exit: Exit.Failure<unknown, unknown>): Effect.Effect<Option.Option<never>> =>
  Effect.as(CancelScope.withoutInterrupts(exit), Option.none())

/**
 * A point at which the current thread lets others run and, when it was interrupted, ends.
 *
 * @category inside
 * @since 0.1.0
 */
export const checkpoint: Effect.Effect<void, ThreadError.ThreadError> = Effect.suspend(() =>
  inside("Thread.checkpoint", (node) =>
    // A cancel that came while it had its turn coming reaches it where it next waits: here.
    Effect.andThen(
      Effect.yieldNow,
      Effect.suspend(() => (node.isCancelled ? Effect.yieldNow : Effect.void))
    )
  )
)

/**
 * Runs an effect that accepts errors raised from outside. `error` is the Schema of the accepted errors, such as a class
 * made by `Schema.TaggedError`. When such an error is raised, the effect is interrupted, its finalizers run, and
 * `receive` fails with the raised error, which can be caught like any other.
 *
 * When `receive` is nested, the innermost one that accepts an error gets it. Each gets at most one.
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
              accepts: (raw) => Option.isSome(decode(raw)),
              interrupt: () => interrupt(interruptedByRaise),
              claimed: undefined
            }
            inbox.enter(handler)
            return (interruptedAsWhole) => inbox.leave(handler, interruptedAsWhole)
          },
          (exit): Effect.Effect<A, E | E2> => {
            const raised = handler.claimed
            if (raised === undefined) return exit
            raised.answer(true)
            // The handler claims only errors that it can decode.
            const failure = Effect.fail(Option.getOrThrow(decode(raised.error)))
            return Exit.isFailure(exit) ? Effect.ensuring(failure, CancelScope.withoutInterrupts(exit)) : failure
          }
        )
      })
    )
)

/** Decodes an error that has crossed from elsewhere; any other raised error is given as it is. */
const decoderOf = <E>(schema: Schema.Schema<E>): ((raw: unknown) => Option.Option<E>) => {
  const is = Schema.is(schema)
  // A schema that needs services to decode accepts only errors of this very thread.
  const decode = Schema.decodeUnknownOption(schema as Schema.Codec<E, unknown>)
  return (raw) => {
    if (raw instanceof EncodedError) return decode(raw.encoded)
    return is(raw) ? Option.some(raw) : Option.none()
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

const notSelf = <A, B>(
  self: Thread<unknown, unknown>,
  effect: Effect.Effect<A, B>
): Effect.Effect<A, B | ThreadError.ThreadError> =>
  Effect.withFiber((fiber): Effect.Effect<A, B | ThreadError.ThreadError> =>
    fiber.getRef(CurrentNode) === nodeOf(self)
      ? Effect.fail(ThreadError.make({ _tag: "SelfJoin", thread: self.name }))
      : effect
  )
