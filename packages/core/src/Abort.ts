/**
 * AbortSignal to Effect and back. The reason crosses in both directions, aborted work is awaited, and no listener is left
 * on any path.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import { hasProperty } from "effect/Predicate"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Scope from "effect/Scope"
import type { Mutable } from "effect/Types"
import * as CancelReason from "./CancelReason.ts"
import * as Deadline from "./Deadline.ts"
import * as Argument from "./internal/argument.ts"
import { CurrentNode, root } from "./internal/currentThread.ts"
import { finiteMillis } from "./internal/duration.ts"
import * as AbortListener from "./internal/abortListener.ts"
import { abortSignals, signalGiven, signalIn } from "./internal/abortSignals.ts"
import * as CancelScope from "./internal/cancelScope.ts"
import { CompositeSignal } from "./internal/compositeSignal.ts"
import { reasonOfExit } from "./internal/exitReason.ts"
import * as Rejection from "./internal/rejection.ts"
import { messageOf } from "./internal/foreignText.ts"
import { CurrentRelease } from "./internal/release.ts"

/**
 * Runs an effect until the effect ends or `signal` aborts. An abort interrupts the effect with the signal's reason, and the
 * result is the interruption, after the finalizers have run. If the signal has aborted already, nothing runs.
 *
 * *Cancellation*: the effect is interrupted with the same reason and awaited.
 *
 * @stability unstable
 * @category combinators
 * @since 0.1.0
 */
export const interruptOn: {
  (signal: AbortSignal): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, signal: AbortSignal): Effect.Effect<A, E, R>
} = /* @__PURE__ */ dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, signal: AbortSignal): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    signalGiven("Abort.interruptOn", signal)
    return CancelScope.run(
      Argument.effect("Abort.interruptOn", self),
      (interrupt) => onAbort(signal, () => interrupt(CancelReason.fromUnknown(signal.reason))),
      (exit) => exit
    )
  })
)

/**
 * The options of `run`, `runWith` and `runIn`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface RunOptions {
  /** Aborts the run. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Runs an effect to a Promise. When `signal` aborts, the effect is interrupted with the reason, and after the last
 * finalizer the Promise rejects with `signal.reason` itself. The failure of a finalizer is then logged, because the Promise
 * rejects with the reason. If the signal has aborted already, nothing runs, not even a synchronous prefix.
 *
 * An uninterruptible effect that waits ends before the abort takes effect: the Promise then rejects with `signal.reason`,
 * and the value is dropped. The Promise resolves only if the effect succeeded before the abort could reach it, as when its
 * last step aborts the signal. After any other interruption the Promise rejects with the `CancelError` of its reason.
 *
 * @stability unstable
 * @category runners
 * @since 0.1.0
 */
export const run = <A, E>(effect: Effect.Effect<A, E>, options?: RunOptions): Promise<A> =>
  runAs("Abort.run", effect, options)

const runAs = <A, E>(operation: string, given: Effect.Effect<A, E>, options: RunOptions | undefined): Promise<A> =>
  new Promise((resolve, reject) => {
    // An error of this function rejects the Promise.
    const effect = Argument.effect(operation, given)
    const signal = signalIn(operation, options)
    if (signal?.aborted === true) return reject(signal.reason)
    const scope: Mutable<CancelScope.CancelScope> = { node: root, reason: undefined }
    const fiber = Effect.runForkWith(Context.make(CancelScope.CurrentCancelScope, scope))(effect)
    const disarm =
      signal &&
      onAbort(signal, () => {
        scope.reason = CancelReason.fromUnknown(signal.reason)
        fiber.interruptUnsafe(undefined, CancelReason.toAnnotations(scope.reason))
      })
    fiber.addObserver((exit) => {
      disarm?.()
      Rejection.settle(exit, signal, resolve, reject)
    })
  })

/**
 * Runs effects with the services of a ManagedRuntime, as `run` does: `Abort.runIn(runtime)(effect, { signal })`. The reason
 * of the signal reaches the finalizers, and the Promise rejects with `signal.reason` itself. The `runPromise` of the
 * runtime loses the reason on both sides.
 *
 * @stability unstable
 * @category runners
 * @since 0.1.0
 */
export const runIn = <R, ER>(
  runtime: ManagedRuntime.ManagedRuntime<R, ER>
): (<A, E>(effect: Effect.Effect<A, E, R>, options?: RunOptions) => Promise<A>) =>
  runner(
    "Abort.runIn",
    hasProperty(runtime, "contextEffect")
      ? runtime.contextEffect
      : Argument.die("Abort.runIn", runtime, "a ManagedRuntime: the result of ManagedRuntime.make(layer)")
  )

/**
 * Runs effects with the services of a context, as `run` does: `Abort.runWith(context)(effect, { signal })`.
 * The context may come from a fiber. The run is in no thread, and has no deadline of that fiber.
 *
 * @stability unstable
 * @category runners
 * @since 0.1.0
 */
export const runWith = <R>(
  context: Context.Context<R>
): (<A, E>(effect: Effect.Effect<A, E, R>, options?: RunOptions) => Promise<A>) =>
  runner(
    "Abort.runWith",
    Context.isContext(context)
      ? Effect.succeed(context)
      : Argument.die("Abort.runWith", context, "a Context: the result of `yield* Effect.context()`")
  )

/**
 * A context may come from a fiber. The run is part of neither the thread nor the cancel scope of that fiber, whose reasons
 * would otherwise hide the reason of the signal. The deadline and the release of the fiber don't hold in the run either.
 */
const runner =
  <R, ER>(operation: string, contextEffect: Effect.Effect<Context.Context<R>, ER>) =>
  <A, E>(effect: Effect.Effect<A, E, R>, options?: RunOptions): Promise<A> =>
    runAs(
      operation,
      Effect.flatMap(contextEffect, (context) =>
        Effect.provideContext(
          Argument.effect(operation, effect),
          Context.omit(CurrentNode, CancelScope.CurrentCancelScope, Deadline.Current, CurrentRelease)(context)
        )
      ),
      options
    )

/**
 * Runs a function that takes an AbortSignal and returns a Promise. A rejection becomes an `UnknownError` with its `cause`.
 * Put everything that the signal should abort into this promise, including reading the body of a response.
 *
 * *Cancellation*: the signal aborts with the reason's error. Then the Promise is awaited, at most for `settle` (default:
 * without limit), before the finalizers of its resources run. The value or error of the Promise is ignored.
 *
 * *Gotchas*: a Promise that ignores its signal delays the cancel; `settle` limits the delay.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const promise = <A>(
  f: (signal: AbortSignal) => PromiseLike<A>,
  options?: { readonly settle?: Duration.Input | undefined }
): Effect.Effect<A, Cause.UnknownError> => {
  if (typeof f !== "function") return Argument.die("Abort.promise", f, Argument.aFunction)
  const settle = options?.settle
  if (settle === undefined) return settled(f, undefined)
  return Effect.flatMap(finiteMillis("Abort.promise's settle", settle), (millis) => settled(f, millis))
}

const settled = <A>(
  f: (signal: AbortSignal) => PromiseLike<A>,
  millis: number | undefined
): Effect.Effect<A, Cause.UnknownError> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.suspend(() => {
      const controller = new AbortController()
      const pending = new Promise<Exit.Exit<A, Cause.UnknownError>>((resolve) => {
        const failed = (cause: unknown) =>
          resolve(Exit.fail(new Cause.UnknownError(cause, `The promise rejected: ${messageOf(cause)}`)))
        try {
          f(controller.signal).then((value) => resolve(Exit.succeed(value)), failed)
        } catch (cause) {
          failed(cause)
        }
      })
      const outcome = Effect.callback<A, Cause.UnknownError>((resume) => {
        void pending.then(resume)
      })
      const settlement = Effect.callback<void>((resume) => {
        void pending.then(() => resume(Effect.void))
      })
      return Effect.onExitPrimitive(restore(outcome), (exit) => {
        if (Exit.isSuccess(exit) || !Cause.hasInterrupts(exit.cause)) return undefined
        const reason = reasonOfExit(exit) ?? CancelReason.interrupted()
        controller.abort(CancelReason.toError(reason))
        return millis === undefined ? settlement : Effect.asVoid(Effect.timeoutOption(settlement, millis))
      })
    })
  )

/**
 * An AbortSignal that aborts when the current scope closes, with the reason of the scope's exit.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const fromScope: Effect.Effect<AbortSignal, never, Scope.Scope> = /* @__PURE__ */ Effect.map(
  /* @__PURE__ */ Effect.acquireRelease(
    /* @__PURE__ */ Effect.sync(() => new AbortController()),
    (controller, exit) =>
      Effect.sync(() => {
        const reason = reasonOfExit(exit) ?? CancelReason.stopped({ message: "The scope has closed" })
        controller.abort(CancelReason.toError(reason))
      })
  ),
  (controller) => controller.signal
)

/**
 * An AbortSignal that follows other signals until its disposal.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Linked extends Disposable {
  readonly signal: AbortSignal
  /** Aborts this signal and never its sources. Without a reason, the signal gets the platform's `AbortError`. */
  abort(reason?: unknown): void
}

/**
 * A signal that aborts with the first of `signals`, with the same reason. Dispose the result after its last use
 * (`using all = Abort.any([a, b])`): then no listener is left on the sources. A composite of composites follows the sources
 * of those, also after their disposal. Events come in the order of the DOM standard. The result of `AbortSignal.any` has no
 * dispose. Node 22 keeps that result alive as long as its sources, and Node 24.21 gives that result the last reason.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const any = (signals: Iterable<AbortSignal>): Linked => new CompositeSignal(abortSignals(signals))

/**
 * A signal that aborts after `duration` by the `Clock`, with a `TimedOut`. Its timer ends with the scope.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const timeout = (duration: Duration.Input): Effect.Effect<AbortSignal, never, Scope.Scope> =>
  Effect.flatMap(finiteMillis("Abort.timeout's duration", duration), (millis) =>
    Effect.suspend(() => {
      const controller = new AbortController()
      const abort = Effect.sync(() => controller.abort(CancelReason.toError(CancelReason.timedOut(millis))))
      return Effect.as(
        Effect.forkScoped(Effect.andThen(Effect.sleep(millis), abort), { startImmediately: true }),
        controller.signal
      )
    })
  )

/**
 * Waits until a signal aborts, and returns the signal's `reason`.
 *
 * *Cancellation*: the listener is removed.
 *
 * @stability unstable
 * @category combinators
 * @since 0.1.0
 */
export const awaitAbort = (signal: AbortSignal): Effect.Effect<unknown> =>
  Effect.callback((resume) => {
    signalGiven("Abort.awaitAbort", signal)
    const disarm = onAbort(signal, () => resume(Effect.succeed(signal.reason)))
    return Effect.sync(disarm)
  })

/**
 * Calls `f` once: when `signal` aborts, or at once if the signal has aborted. The result removes the listener.
 *
 * @stability unstable
 * @category combinators
 * @since 0.1.0
 */
export const onAbort = (signal: AbortSignal, f: () => void): (() => void) => {
  signalGiven("Abort.onAbort", signal)
  if (typeof f !== "function") throw Argument.wrong("Abort.onAbort", f, Argument.aFunction)
  if (!signal.aborted) return AbortListener.of(signal).add(f)
  f()
  return () => {}
}
