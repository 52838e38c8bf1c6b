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
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import type * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import type { Pipeable } from "effect/Pipeable"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Types from "effect/Types"
import * as CancelReason from "./CancelReason.ts"
import * as Argument from "./internal/argument.ts"
import type * as Escalation from "./Escalation.ts"
import { finiteMillis } from "./internal/duration.ts"
import * as Texts from "./internal/errorTexts.ts"
import { CurrentNode, root } from "./internal/currentThread.ts"
import * as Joining from "./internal/joining.ts"
import { nodeOfGiven, ofThread, ofThreads, request, waiting } from "./internal/givenThreads.ts"
import { end, inside, refused, settlement, timedJoin } from "./internal/nodeSteps.ts"
import * as Ladder from "./internal/ladder.ts"
import * as CancelScope from "./internal/cancelScope.ts"
import * as Raising from "./internal/raising.ts"
import * as Receiving from "./internal/receiving.ts"
import * as Report from "./internal/report.ts"
import { reasonIn } from "./internal/request.ts"
import { received } from "./internal/settlement.ts"
import * as Spawn from "./internal/spawn.ts"
import * as ThreadRuntime from "./internal/threadRuntime.ts"
import { isNode, type ThreadNode, type TypeId } from "./internal/threadNode.ts"
import type { ShutdownReport } from "./ShutdownReport.ts"
import * as Abort from "./Abort.ts"
import * as Misuse from "./internal/misuse.ts"
import { givenText } from "./internal/givenText.ts"
import { isEffect, isRaisable } from "./internal/foreignValue.ts"

/**
 * A handle on a thread. Handles are cheap and may be passed around. The thread itself ends with its scope.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Thread<out A, out E = never> extends Pipeable, Inspectable.Inspectable {
  readonly [TypeId]: Thread.Variance<A, E>
  readonly id: number
  readonly name: string
  /** Undefined for the main thread only. */
  readonly parent: Thread<unknown, unknown> | undefined
  /** Aborts when the thread is asked to stop or is interrupted, with the first reason's error. */
  readonly stopSignal: AbortSignal
  /** Aborts when the thread is interrupted, with the first reason's error. */
  readonly signal: AbortSignal
  /** The first reason of a stop or a cancel; undefined before any. */
  readonly reason: CancelReason.CancelReason | undefined
}

/**
 * The types of a thread.
 *
 * @since 0.1.0
 */
export declare namespace Thread {
  /**
   * The value and error types of a thread.
   *
   * @stability unstable
   * @category models
   * @since 0.1.0
   */
  interface Variance<out A, out E> {
    readonly _A: Types.Covariant<A>
    readonly _E: Types.Covariant<E>
  }

  /**
   * Any thread.
   *
   * @stability unstable
   * @category models
   * @since 0.1.0
   */
  type Any = Thread<unknown, unknown>

  /**
   * The value type of a thread.
   *
   * @stability unstable
   * @category models
   * @since 0.1.0
   */
  type Success<T> = T extends Thread<infer A, infer _E> ? A : never

  /**
   * The error type of a thread.
   *
   * @stability unstable
   * @category models
   * @since 0.1.0
   */
  type Error<T> = T extends Thread<infer _A, infer E> ? E : never
}

/**
 * The state of a thread. A `Queued` thread waits for a place to run, such as a free worker. `Stopping` and `Cancelled`
 * carry the first reason, and `Cancelled` the highest rung so far.
 *
 * @stability unstable
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
 * `name` defaults to `thread-<id>`, and `escalation` to `Escalation.Current`. With `startImmediately`, the thread runs up
 * to its first wait before `spawn` returns.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SpawnOptions {
  readonly name?: string | undefined
  readonly escalation?: Escalation.Escalation | undefined
  readonly startImmediately?: boolean | undefined
}

/**
 * The options of a request to end a thread.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface RequestOptions {
  readonly reason?: CancelReason.CancelReason | undefined
}

/**
 * Options, and no thread: a thread has a reason, too. The signature of a thread alone comes last in an overload, because a
 * function that takes another function infers from the last.
 */
type OnlyOptions<Options> = Options & { readonly [TypeId]?: never }

/**
 * The options of a shutdown. `escalation` defaults to the escalation of the thread.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ShutdownOptions extends RequestOptions {
  readonly escalation?: Escalation.Escalation | undefined
}

/**
 * A value that can be raised into a thread: an `Error` or an object with a tag.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Raisable = globalThis.Error | { readonly _tag: string }

/**
 * Whether a value is a thread.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isThread = (u: unknown): u is Thread<unknown, unknown> => isNode(u)

// ---- Starting ----

/**
 * Starts `effect` as a thread in the current scope. The thread has a scope of its own: its children end and its leases are
 * released before the thread has ended.
 *
 * In a closed scope, and in the scope of a cancelled thread, nothing starts: the returned thread has ended, with the reason
 * of the scope or the thread.
 *
 * *Cancellation*: either no thread exists, or the thread is in its scope and ends with the scope.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const spawn: <Arg extends Effect.Effect<unknown, unknown, unknown> | SpawnOptions | undefined = SpawnOptions>(
  effectOrOptions?: Arg,
  options?: SpawnOptions
) => [Arg] extends [Effect.Effect<infer A, infer E, infer R>]
  ? Effect.Effect<Thread<A, E>, never, Exclude<R, Scope.Scope> | Scope.Scope>
  : <A, E, R>(
      effect: Effect.Effect<A, E, R>
    ) => Effect.Effect<Thread<A, E>, never, Exclude<R, Scope.Scope> | Scope.Scope> = (first, options): never =>
  // The signature says which of both is returned.
  (isEffect(first)
    ? Spawn.spawn(first, options)
    : Argument.curried("Thread.spawn", Argument.anEffect, first as SpawnOptions | undefined, spawnGiven)) as never

const spawnGiven = (effect: AnyEffect, options: SpawnOptions | undefined) =>
  isEffect(effect) ? Spawn.spawn(effect, options) : Argument.die("Thread.spawn", effect, Argument.anEffect)

// ---- Ending ----

/**
 * Asks a thread and its descendants to end by themselves: `stopSignal` aborts, and nothing is forced. Returns at once. Only
 * the first reason counts. An ended thread is left alone.
 *
 * @stability unstable
 * @category stopping
 * @since 0.1.0
 */
export const stop: {
  (options?: OnlyOptions<RequestOptions>): (self: Thread<unknown, unknown>) => Effect.Effect<void>
  (self: Thread<unknown, unknown>, options?: RequestOptions): Effect.Effect<void>
} = /* @__PURE__ */ ofThread("Thread.stop", (self, options: RequestOptions | undefined) =>
  stopOne("Thread.stop", self, options)
)

const stopOne = (
  operation: string,
  self: Thread<unknown, unknown>,
  options: RequestOptions | undefined
): Effect.Effect<void> =>
  request(self, operation, reasonIn(options, defaultStop), (node, reason) => Ladder.stop(node, reason))

/**
 * The same as `stop`, for many threads at once.
 *
 * @stability unstable
 * @category stopping
 * @since 0.1.0
 */
export const stopAll: {
  (options?: RequestOptions): (threads: Iterable<Thread<unknown, unknown>>) => Effect.Effect<void>
  (threads: Iterable<Thread<unknown, unknown>>, options?: RequestOptions): Effect.Effect<void>
} = /* @__PURE__ */ ofThreads("Thread.stopAll", (threads, options) =>
  Effect.forEach(threads, (thread) => stopOne("Thread.stopAll", thread, options), { discard: true })
)

/**
 * Interrupts a thread and waits without limit until the last finalizer has run. Every caller waits. An ended thread is left
 * alone. A thread that interrupts itself or an ancestor does not wait, because the wait would be for itself.
 *
 * *Cancellation*: only the wait ends; the thread stays interrupted.
 *
 * @stability unstable
 * @category stopping
 * @since 0.1.0
 */
export const interrupt: {
  (options?: OnlyOptions<RequestOptions>): (self: Thread<unknown, unknown>) => Effect.Effect<void>
  (self: Thread<unknown, unknown>, options?: RequestOptions): Effect.Effect<void>
} = /* @__PURE__ */ ofThread("Thread.interrupt", (self, options: RequestOptions | undefined) =>
  interruptOne("Thread.interrupt", self, options)
)

const interruptOne = (
  operation: string,
  self: Thread<unknown, unknown>,
  options: RequestOptions | undefined
): Effect.Effect<void> =>
  request(self, operation, reasonIn(options, defaultInterrupt), (node, reason, current, by) => {
    // On a fiber the request is made in this very step, so that no other step can come between.
    const onFiber = node.controls.interruptUnsafe !== undefined
    if (onFiber) Ladder.interruptUnsafe(node, reason, "interrupt", by)
    const asked = onFiber ? Effect.void : Ladder.interrupt(node, reason)
    if (!node.isAlive || node.contains(current)) return asked
    const ended = end(node)
    return onFiber ? ended : Effect.andThen(asked, ended)
  })

/**
 * Interrupts many threads at once, and waits until the last finalizer of each has run.
 *
 * *Cancellation*: only the wait ends; the threads stay interrupted.
 *
 * @stability unstable
 * @category stopping
 * @since 0.1.0
 */
export const interruptAll: {
  (options?: RequestOptions): (threads: Iterable<Thread<unknown, unknown>>) => Effect.Effect<void>
  (threads: Iterable<Thread<unknown, unknown>>, options?: RequestOptions): Effect.Effect<void>
} = /* @__PURE__ */ ofThreads("Thread.interruptAll", (threads, options) =>
  Effect.forEach(threads, (thread) => interruptOne("Thread.interruptAll", thread, options), {
    concurrency: "unbounded",
    discard: true
  })
)

/**
 * Interrupts a thread and returns at once.
 *
 * @stability unstable
 * @category stopping
 * @since 0.1.0
 */
export const interruptFork: {
  (options?: OnlyOptions<RequestOptions>): (self: Thread<unknown, unknown>) => Effect.Effect<void>
  (self: Thread<unknown, unknown>, options?: RequestOptions): Effect.Effect<void>
} = /* @__PURE__ */ ofThread("Thread.interruptFork", (self, options: RequestOptions | undefined): Effect.Effect<void> =>
  request(self, "Thread.interruptFork", reasonIn(options, defaultInterrupt), (node, reason) =>
    Ladder.interrupt(node, reason)
  )
)

/**
 * Ends a thread by climbing `options.escalation` (default: the thread's own) and returns a report. The climb always ends: a
 * thread that outlasts the last rung is abandoned, and its waiters resume. Its remaining releases run before, within the
 * grace of the last rung once more, even if its body or a release hangs.
 *
 * Dies with `SelfJoin` if a thread shuts down itself or an ancestor, and with `InvalidEscalation`.
 *
 * *Gotchas*: the report has the stack of a thread that has outlasted a rung. The search for the stack delays the next rung
 * by a fifth of a second at most, and a kill or an abandon by one second at most.
 *
 * *Cancellation*: the climb stops, but its requests stand. The thread still ends with its scope.
 *
 * @stability unstable
 * @category stopping
 * @since 0.1.0
 */
export const shutdown: {
  (options?: OnlyOptions<ShutdownOptions>): (self: Thread<unknown, unknown>) => Effect.Effect<ShutdownReport>
  (self: Thread<unknown, unknown>, options?: ShutdownOptions): Effect.Effect<ShutdownReport>
} = /* @__PURE__ */ ofThread(
  "Thread.shutdown",
  (self, options: ShutdownOptions | undefined): Effect.Effect<ShutdownReport> =>
    request(self, "Thread.shutdown", reasonIn(options, defaultShutdown), (node, reason, current) => {
      if (node.contains(current)) return Misuse.die({ _tag: "SelfJoin", thread: node.name }, Texts.selfJoin)
      const reports = Report.shutdown(node, [node], options?.escalation ?? node.escalation, reason)
      return Effect.map(reports, ([report]) => report!)
    })
)

/**
 * Raises an error into a thread. The innermost `receive` that accepts the error claims it: the work inside is interrupted,
 * its finalizers run, and then `receive` fails with the raised error itself. The thread may continue.
 *
 * Waits for the outcome: `true` if exactly one `receive` got the error, `false` if the thread ended first. Dies with
 * `InvalidError` if `error` is not an error, or throws when it is read.
 *
 * *Cancellation*: an error without a claim is withdrawn, as if nobody had raised the error. A claimed error is not
 * withdrawn, so `Effect.timeoutOption` around a raise can't say whether the error was delivered. Use `raiseWithin` for
 * that.
 *
 * @stability unstable
 * @category stopping
 * @since 0.1.0
 */
export const raise: {
  (error: Raisable): (self: Thread<unknown, unknown>) => Effect.Effect<boolean>
  (self: Thread<unknown, unknown>, error: Raisable): Effect.Effect<boolean>
} = /* @__PURE__ */ dual(2, (self: Thread<unknown, unknown>, error: Raisable): Effect.Effect<boolean> => {
  if (!isRaisable(error)) return Misuse.die({ _tag: "InvalidError", given: givenText(error) }, Texts.invalidError)
  return Effect.suspend(() => {
    const node = nodeOfGiven("Thread.raise", self)
    return node === root ? refused("Thread.raise") : Raising.raise(node, error)
  })
})

/**
 * Raises an error as `raise` does, but withdraws the error if no `receive` has claimed it within `duration`. The result is
 * `true` if exactly one `receive` got the error, and `false` if none did or will.
 *
 * Waits for the outcome of a claimed error even beyond the time, because a claimed error can't be withdrawn.
 *
 * *Cancellation*: as for `raise`.
 *
 * ```ts
 * import { Thread } from "@quiesce/core"
 * import { Effect } from "effect"
 *
 * export const flush = (thread: Thread.Thread<unknown, unknown>) =>
 *   Effect.flatMap(Thread.raiseWithin(thread, new Error("flush"), "1 second"), (delivered) =>
 *     delivered ? Effect.void : Effect.logWarning("The thread was too busy to flush")
 *   )
 * ```
 *
 * @stability unstable
 * @category stopping
 * @since 0.1.0
 */
export const raiseWithin: {
  (error: Raisable, duration: Duration.Input): (self: Thread<unknown, unknown>) => Effect.Effect<boolean>
  (self: Thread<unknown, unknown>, error: Raisable, duration: Duration.Input): Effect.Effect<boolean>
} = /* @__PURE__ */ dual(
  3,
  (self: Thread<unknown, unknown>, error: Raisable, duration: Duration.Input): Effect.Effect<boolean> => {
    if (!isRaisable(error)) return Misuse.die({ _tag: "InvalidError", given: givenText(error) }, Texts.invalidError)
    return Effect.suspend(() => {
      const node = nodeOfGiven("Thread.raiseWithin", self)
      if (node === root) return refused("Thread.raiseWithin")
      return Effect.flatMap(finiteMillis("raiseWithin's duration", duration), (millis) =>
        Raising.raiseWithin(node, error, millis)
      )
    })
  }
)

// ---- Waiting ----

/**
 * Waits for the exit of a thread, and never changes the thread. All waiters see the same exit.
 *
 * *Cancellation*: only the wait ends.
 *
 * @stability unstable
 * @category joining
 * @since 0.1.0
 */
const await_ = <A, E>(self: Thread<A, E>): Effect.Effect<Exit.Exit<A, E>> => exitOf("Thread.await", self)
export { await_ as await }

/**
 * Waits for a thread, and returns its value or fails with its error. An interrupted thread interrupts the fiber that joins.
 * A join never changes the thread. Dies with `SelfJoin` if a thread joins itself.
 *
 * *Cancellation*: only the wait ends.
 *
 * @stability unstable
 * @category joining
 * @since 0.1.0
 */
export const join = <A, E>(self: Thread<A, E>): Effect.Effect<A, E> => waiting("Thread.join", self, joined)

const joined = <A, E>(node: ThreadNode<A, E>): Effect.Effect<A, E> => settlement(node, (exit) => exit)

const exitOf = <A, E>(operation: string, self: Thread<A, E>): Effect.Effect<Exit.Exit<A, E>> =>
  waiting(operation, self, (node) => node.controls.exit)

/**
 * Joins a thread, but waits at most for `duration`. The result is none if the thread is still alive; the thread runs on.
 *
 * *Cancellation*: only the wait ends.
 *
 * @stability unstable
 * @category joining
 * @since 0.1.0
 */
export const joinWithin: {
  (duration: Duration.Input): <A, E>(self: Thread<A, E>) => Effect.Effect<Option.Option<A>, E>
  <A, E>(self: Thread<A, E>, duration: Duration.Input): Effect.Effect<Option.Option<A>, E>
} = /* @__PURE__ */ dual(2, <A, E>(self: Thread<A, E>, duration: Duration.Input): Effect.Effect<Option.Option<A>, E> =>
  Effect.flatMap(finiteMillis("joinWithin's duration", duration), (millis) => timed(self, millis))
)

const timed = <A, E>(self: Thread<A, E>, millis: number) => timedJoin(exitOf("Thread.joinWithin", self), millis)

/**
 * Joins threads, which may have different types, one after another. The result has the form of `threads`: a tuple, an array
 * or a record.
 *
 * Without a limit, all threads are awaited. `each` limits the wait for every single thread, as Python's `join(timeout)` in
 * a loop does: the limits add up. `within` is one budget for all threads. With a limit, the result of a thread that is
 * still alive is none, and the thread runs on.
 *
 * *Cancellation*: only the wait ends.
 *
 * @stability unstable
 * @category joining
 * @since 0.1.0
 */
export const joinAll: <
  const Arg extends Iterable<Thread<unknown, unknown>> | Readonly<Record<string, Thread<unknown, unknown>>>,
  // A tuple, because the type of an optional parameter would hide whether the limit may be undefined.
  O extends [options?: JoinOptions | undefined] = []
>(
  threads: Arg,
  ...options: O
) => Effect.Effect<Joined<Arg, O[0]>, Failures<Arg>> = (threads, options?: JoinOptions) =>
  // The signature says which tuple, array or record the result is.
  Joining.joinAll(threads, options, join, timed) as Effect.Effect<never, never>

/**
 * The limit on a join of many threads: `each` for every single thread, or `within` for all.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type JoinOptions =
  | { readonly each: Duration.Input; readonly within?: undefined }
  | { readonly within: Duration.Input; readonly each?: undefined }

/** With a limit, the value of each thread is an Option. A limit that may be undefined leaves both. */
type Limited<A, O> = [O] extends [undefined] ? A : undefined extends O ? A | Option.Option<A> : Option.Option<A>

/** The values in the form of the threads: a tuple, an array or a record. */
type Joined<Arg, O> =
  Arg extends ReadonlyArray<unknown>
    ? { -readonly [K in keyof Arg]: Limited<Thread.Success<Arg[K]>, O> }
    : Arg extends Iterable<infer T>
      ? Array<Limited<Thread.Success<T>, O>>
      : { -readonly [K in keyof Arg]: Limited<Thread.Success<Arg[K]>, O> }

/** The errors of the threads. */
type Failures<Arg> = Arg extends Iterable<infer T> ? Thread.Error<T> : Thread.Error<Arg[keyof Arg]>

const queued: Status<never, never> = { _tag: "Queued" }

/**
 * The state of a thread now.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const status = <A, E>(self: Thread<A, E>): Effect.Effect<Status<A, E>> =>
  Effect.sync(() => {
    const node = nodeOfGiven("Thread.status", self)
    const { controls, isQueued, state } = node
    if (isQueued) return queued
    if (state._tag !== "Settled") return state
    // A settled node has an exit: invariant 2 of the settlement.
    const exit = received(node, controls.poll()!)
    return { _tag: state.abandoned ? "Abandoned" : "Done", exit }
  })

/**
 * Whether a thread has not ended yet. An abandoned thread counts as ended.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const isAlive = <A, E>(self: Thread<A, E>): Effect.Effect<boolean> =>
  Effect.sync(() => nodeOfGiven("Thread.isAlive", self).isAlive)

// ---- Inside ----

/**
 * The thread that the current fiber belongs to. Outside any spawned thread: the main thread, which nobody can end.
 *
 * @stability unstable
 * @category inside
 * @since 0.1.0
 */
export const current: Effect.Effect<Thread<unknown, unknown>> = /* @__PURE__ */ Effect.withFiber((fiber) =>
  Effect.succeed(fiber.getRef(CurrentNode))
)

/**
 * Whether the current thread is the main thread, that is, the code runs outside any spawned thread.
 *
 * @stability unstable
 * @category inside
 * @since 0.1.0
 */
export const isMain: Effect.Effect<boolean> = /* @__PURE__ */ Effect.withFiber((fiber) =>
  Effect.succeed(fiber.getRef(CurrentNode) === root)
)

/**
 * Runs an effect in a thread and returns a Promise. When `signal` aborts, the effect is interrupted with the reason, and
 * the Promise rejects with `signal.reason` after the finalizers. If the thread ends first, the Promise rejects with the
 * `CancelError` of its reason.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Runtime<R = never> = ThreadRuntime.Runtime<R>

/**
 * A function for callbacks of other libraries that runs effects in the current thread, with the services `R` of the current
 * fiber. Each run is a child of the thread, and ends with the thread. `Effect.runPromise` in a callback would leave the
 * thread.
 *
 * @stability unstable
 * @category inside
 * @since 0.1.0
 */
export const runtime = <R = never>(): Effect.Effect<Runtime<R>, never, R> =>
  Effect.withFiber((fiber) => Effect.succeed(ThreadRuntime.of<R>(fiber)))

/**
 * Whether the current thread was asked to stop or was interrupted. False on the main thread.
 *
 * @stability unstable
 * @category inside
 * @since 0.1.0
 */
export const stopRequested: Effect.Effect<boolean> = /* @__PURE__ */ Effect.withFiber((fiber) => {
  const node = fiber.getRef(CurrentNode)
  return Effect.succeed(node.reason !== undefined || node.flags?.stopRequested === true)
})

/**
 * Waits until the current thread is asked to stop, and returns the reason. On the main thread the wait has no end.
 *
 * *Cancellation*: only the wait ends.
 *
 * @stability unstable
 * @category inside
 * @since 0.1.0
 */
export const awaitStop: Effect.Effect<CancelReason.CancelReason> = /* @__PURE__ */ Effect.withFiber((fiber) => {
  const node = fiber.getRef(CurrentNode)
  if (node === root) return Effect.never
  return Effect.map(Abort.awaitAbort(node.stopSignal), (reason) => node.reason ?? CancelReason.fromUnknown(reason))
})

/**
 * Runs an effect until the effect ends or the current thread is asked to stop. A stop interrupts the effect with the
 * reason; its finalizers run, the result is none, and the thread continues. On the main thread the effect just runs.
 *
 * *Cancellation*: the effect is interrupted, and its finalizers run. The thread does not continue.
 *
 * @stability unstable
 * @category inside
 * @since 0.1.0
 */
export const untilStopped = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Option.Option<A>, E, R> =>
  inside((node) => {
    const work = Argument.effect("Thread.untilStopped", effect)
    if (node === root) return Effect.asSome(work)
    let stopped = false
    const result = CancelScope.run(
      work,
      (interrupt) =>
        Abort.onAbort(node.stopSignal, () => {
          stopped = true
          interrupt(node.reason!)
        }),
      // None, unless a finalizer failed. The interrupt of a cancelled thread stays beside such a failure.
      (exit) =>
        stopped && Exit.isFailure(exit) && Exit.hasInterrupts(exit)
          ? Effect.as(CancelScope.failures(exit, node.isCancelled), Option.none())
          : Effect.asSome(exit)
    )
    // An interrupt aborts `stopSignal` just before it reaches the fiber. It reaches an unmasked fiber in this step.
    return Effect.tap(result, () => (node.state._tag === "Cancelled" ? Effect.yieldNow : Effect.void))
  })

/**
 * A point at which the current thread lets other fibers run and, if it was interrupted, ends.
 *
 * @stability unstable
 * @category inside
 * @since 0.1.0
 */
export const checkpoint: Effect.Effect<void> = /* @__PURE__ */ Effect.withFiber((fiber) => {
  const node = fiber.getRef(CurrentNode)
  // A cancel that comes while the fiber is queued reaches the fiber at its next wait, which is here.
  return Effect.andThen(
    Effect.yieldNow,
    Effect.suspend(() => (node.isCancelled ? Effect.yieldNow : Effect.void))
  )
})

/**
 * The Schema of an error that can be received: a class made by `Schema.TaggedError`, `Schema.instanceOf(MyError)`, or a
 * union of such Schemas. A raised error is an object, and is decoded without services.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Receivable = Schema.Constraint & { readonly Type: object; readonly DecodingServices: never }

/**
 * Runs an effect that accepts errors raised from outside. `errors` are the Schemas of the accepted errors, such as classes
 * made by `Schema.TaggedError`. When such an error is raised, the effect is interrupted, its finalizers run, and `receive`
 * fails with the raised error, which can be caught like any other error.
 *
 * Among nested calls of `receive`, the innermost that accepts an error gets the error. Each call gets one error at most.
 *
 * *Cancellation*: the effect is interrupted, and its finalizers run. No error is received from then on.
 *
 * Dies with `InvalidReceivable` if one of `errors` is no Schema.
 *
 * @stability unstable
 * @category inside
 * @since 0.1.0
 */
export const receive: {
  <Errors extends readonly [Receivable, ...ReadonlyArray<Receivable>]>(
    ...errors: Errors
  ): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Errors[number]["Type"], R>
  <A, E, R, Errors extends readonly [Receivable, ...ReadonlyArray<Receivable>]>(
    effect: Effect.Effect<A, E, R>,
    ...errors: Errors
  ): Effect.Effect<A, E | Errors[number]["Type"], R>
} = (first: AnyEffect | Receivable, ...rest: ReadonlyArray<Receivable>): never =>
  // The signatures say which of both is returned.
  (Effect.isEffect(first)
    ? receiveAny(first, rest)
    : (effect: AnyEffect) => receiveAny(effect, [first, ...rest])) as never

type AnyEffect = Effect.Effect<unknown, unknown, unknown>

const receiveAny = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  errors: ReadonlyArray<Receivable>
): Effect.Effect<A, unknown, R> => {
  const invalid = Receiving.invalidIn(errors)
  if (Option.isSome(invalid))
    return Misuse.die({ _tag: "InvalidReceivable", given: givenText(invalid.value) }, Texts.invalidReceivable)
  const work = Argument.effect("Thread.receive", effect)
  return inside((node): Effect.Effect<A, unknown, R> => (node === root ? work : Receiving.receive(node, work, errors)))
}

// ---- Shared steps ----

const defaultStop = /* @__PURE__ */ CancelReason.stopped()
const defaultInterrupt = /* @__PURE__ */ CancelReason.interrupted()
const defaultShutdown = /* @__PURE__ */ CancelReason.shutdown()
