/**
 * A reason for the end of a thread: its kind, a message, the name of the asking thread and the time of the request.
 *
 * A reason is plain data, and crosses threads by `Schemas.CancelReason`. Inside one thread a reason travels as an
 * annotation of the interruption's Cause, and on AbortSignals as an `Error` named `AbortError`. The signals, finalizers and
 * children of a thread see the first reason that reached the thread.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Argument from "./internal/argument.ts"
import * as AmbientReason from "./internal/ambientReason.ts"
import { messageOf } from "./internal/foreignText.ts"
import { readOr } from "./internal/foreignValue.ts"
import * as Errors from "./internal/cancelError.ts"
import * as ReasonAnnotation from "./internal/reasonAnnotation.ts"
import * as ReasonFrame from "./internal/reasonFrame.ts"
import * as ReasonKinds from "./internal/reasonKinds.ts"

/**
 * The fields of every reason: `message`; `by`, the name of the asking thread (`main` outside any thread); and `at`, the
 * time of the request in milliseconds since the epoch. `Thread` and `ThreadGroup` fill in missing values of `by` and `at`.
 * The reason of a foreign signal has neither.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Asked {
  readonly message: string
  readonly by?: string | undefined
  readonly at?: number | undefined
}

/**
 * A reason for the end of a thread.
 *
 * - `Stopped`: a request to end by itself
 * - `Interrupted`: an interrupt by hand, or by a fiber without a reason
 * - `TimedOut`: a timer of `millis` milliseconds ran out
 * - `DeadlineExceeded`: the deadline `deadline`, in milliseconds since the epoch, has passed
 * - `ParentEnded`: `parent`, the owner of the thread's scope, has ended
 * - `SiblingFailed`: `sibling` failed in a group that fails fast
 * - `Shutdown`: the program ends, perhaps because of the OS signal `signal`
 * - `Moved`: the runner `from`, at which the thread ran, gives its threads up, and other runners live on
 * - `Lost`: the runner `from`, at which the thread ran, is gone
 * - `Aborted`: a foreign AbortSignal aborted, with `cause` as its `reason`
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type CancelReason =
  | (Asked & { readonly _tag: "Stopped" })
  | (Asked & { readonly _tag: "Interrupted" })
  | (Asked & { readonly _tag: "TimedOut"; readonly millis: number })
  | (Asked & { readonly _tag: "DeadlineExceeded"; readonly deadline: number })
  | (Asked & { readonly _tag: "ParentEnded"; readonly parent: string })
  | (Asked & { readonly _tag: "SiblingFailed"; readonly sibling: string })
  | (Asked & { readonly _tag: "Shutdown"; readonly signal?: string | undefined })
  | (Asked & { readonly _tag: "Moved"; readonly from: string })
  | (Asked & { readonly _tag: "Lost"; readonly from: string })
  | (Asked & { readonly _tag: "Aborted"; readonly cause: unknown })

/**
 * Whether a value is a reason: a plain object with the tag and the fields of a kind, each of its type. An error or another
 * instance of a class is no reason, whatever its tag is. A value that throws when it is read is no reason either. Decode
 * values from other threads with `Schemas.CancelReason`.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isCancelReason = (u: unknown): u is CancelReason => readOr(() => ReasonKinds.isKind(u), false)

/**
 * A reason as an `Error`: for `signal.reason`, for `StopToken.check`, which throws the error, and for `Abort.run`, which
 * rejects with it. The `name` is `AbortError`. The error has no stack, because the place of the throw says nothing.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export const CancelError: new (reason: CancelReason) => CancelError = Errors.CancelError

/** @stability unstable @category errors @since 0.1.0 */
export type CancelError = Errors.CancelError<CancelReason>

/**
 * The message of a reason, in place of the usual one.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface MessageOptions {
  readonly message?: string | undefined
}

/** @stability unstable @category constructors @since 0.1.0 */
export const stopped = (options?: MessageOptions): CancelReason => ({
  _tag: "Stopped",
  message: options?.message ?? "Asked to stop"
})

/** @stability unstable @category constructors @since 0.1.0 */
export const interrupted = (options?: MessageOptions): CancelReason => ({
  _tag: "Interrupted",
  message: options?.message ?? "Interrupted"
})

/** A timer of `millis` milliseconds ran out. @stability unstable @category constructors @since 0.1.0 */
export const timedOut = (millis: number, options?: MessageOptions): CancelReason => ({
  _tag: "TimedOut",
  message: options?.message ?? `Timed out after ${millis} ms`,
  millis
})

/** `deadline` is in milliseconds since the epoch. @stability unstable @category constructors @since 0.1.0 */
export const deadlineExceeded = (deadline: number, options?: MessageOptions): CancelReason => ({
  _tag: "DeadlineExceeded",
  message: options?.message ?? "The deadline has passed",
  deadline
})

/** @stability unstable @category constructors @since 0.1.0 */
export const parentEnded = (parent: string, options?: MessageOptions): CancelReason => ({
  _tag: "ParentEnded",
  message: options?.message ?? `Parent "${parent}" has ended`,
  parent
})

/** @stability unstable @category constructors @since 0.1.0 */
export const siblingFailed = (sibling: string, options?: MessageOptions): CancelReason => ({
  _tag: "SiblingFailed",
  message: options?.message ?? `Sibling "${sibling}" has failed`,
  sibling
})

/** `signal` is an OS signal such as `SIGTERM`. @stability unstable @category constructors @since 0.1.0 */
export const shutdown = (options?: MessageOptions & { readonly signal?: string | undefined }): CancelReason => {
  const message = options?.message ?? "Shutting down"
  return options?.signal === undefined
    ? { _tag: "Shutdown", message }
    : { _tag: "Shutdown", message, signal: options.signal }
}

/** `from` is the runner that gives its threads up. @stability unstable @category constructors @since 0.1.0 */
export const moved = (from: string, options?: MessageOptions): CancelReason => ({
  _tag: "Moved",
  message: options?.message ?? `The thread has to leave "${from}"`,
  from
})

/** `from` is the runner that is gone. @stability unstable @category constructors @since 0.1.0 */
export const lost = (from: string, options?: MessageOptions): CancelReason => ({
  _tag: "Lost",
  message: options?.message ?? `"${from}" is gone`,
  from
})

/** `cause` is the foreign `signal.reason`. @stability unstable @category constructors @since 0.1.0 */
export const aborted = (cause: unknown, options?: MessageOptions): CancelReason => ({
  _tag: "Aborted",
  message: options?.message ?? `Aborted: ${messageOf(cause)}`,
  cause
})

/**
 * The error of a reason. Equal calls return the same error.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const toError = (self: CancelReason): CancelError => {
  if (isCancelReason(self)) return Errors.toError(self)
  throw Argument.wrong("CancelReason.toError", self, Argument.aReason)
}

/**
 * The reason in a foreign value. A reason, or the error of a reason, gives the reason itself. Any other value, such as the
 * `TimeoutError` of `AbortSignal.timeout`, gives an `Aborted` with the value as its `cause`. Never throws, also if the
 * value throws when it is read, as a revoked proxy does.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const fromUnknown = (u: unknown): CancelReason => {
  if (isCancelReason(u)) return u
  const reason = readOr(() => (u instanceof CancelError ? u.reason : undefined), undefined)
  return isCancelReason(reason) ? reason : aborted(u)
}

const Annotation: Context.Service<typeof ReasonAnnotation.key, CancelReason> = /* @__PURE__ */ Context.Service<
  typeof ReasonAnnotation.key,
  CancelReason
>(ReasonAnnotation.key)

/** The annotations of the last reason, because one request often reaches many threads. */
let last: { readonly reason: CancelReason; readonly annotations: Context.Context<never> } | undefined

/**
 * The Cause annotations that carry a reason, for `Fiber.interruptAs` and `Cause.annotate`. One of them is Effect's
 * `InterruptorStackTrace`, so that `Cause.pretty` prints the reason and the asking thread below the interrupted fiber.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const toAnnotations = (self: CancelReason): Context.Context<never> => {
  if (last === undefined || last.reason !== self) {
    if (!isCancelReason(self)) throw Argument.wrong("CancelReason.toAnnotations", self, Argument.aReason)
    // The annotations of a Cause are typed as a context of no services. Effect finds the key by name alone.
    // `Context.make` reads the entry through an iterator, which takes longer than all the rest.
    const annotations = new Map<string, unknown>()
    annotations.set(Annotation.key, self)
    annotations.set(ReasonFrame.key, new ReasonFrame.ReasonFrame(self))
    last = { reason: self, annotations: Context.makeUnsafe(annotations) }
  }
  return last.annotations
}

/**
 * The Cause of an interruption with a reason.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const toCause = (self: CancelReason): Cause.Cause<never> =>
  Cause.annotate(Cause.interrupt(), toAnnotations(self))

/** The reason in one entry of a Cause. */
const ofInterrupt = (entry: Cause.Interrupt): CancelReason | undefined => {
  const found = entry.annotations.get(Annotation.key)
  // Most calls look for the reason that was annotated last.
  return found === last?.reason || isCancelReason(found) ? (found as CancelReason | undefined) : undefined
}

const unnamed = (entry: Cause.Interrupt): CancelReason => {
  const ambient = AmbientReason.current()
  if (isCancelReason(ambient)) return ambient
  return interrupted(entry.fiberId === undefined ? undefined : { message: `Interrupted by fiber #${entry.fiberId}` })
}

/**
 * All reasons in a Cause, in order of arrival. Interruptions without a reason, such as those of Effect's own combinators,
 * count only if no other exists. Then the result is the reason of the current thread, if the thread was cancelled, or an
 * `Interrupted` that names the fiber.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const allFromCause = (cause: Cause.Cause<unknown>): ReadonlyArray<CancelReason> => {
  const interrupts = Argument.cause("CancelReason.allFromCause", cause).reasons.filter(Cause.isInterruptReason)
  const named = interrupts.map(ofInterrupt).filter((reason) => reason !== undefined)
  return named.length > 0 ? named : interrupts.slice(0, 1).map(unnamed)
}

/**
 * The first reason in a Cause; undefined without an interruption.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const firstOfCause = (cause: Cause.Cause<unknown>): CancelReason | undefined => {
  let fallback: Cause.Interrupt | undefined
  const { reasons } = Argument.cause("CancelReason.firstOfCause", cause)
  for (let i = 0; i < reasons.length; i++) {
    const entry = reasons[i]!
    if (!Cause.isInterruptReason(entry)) continue
    const named = ofInterrupt(entry)
    if (named !== undefined) return named
    fallback ??= entry
  }
  return fallback === undefined ? undefined : unnamed(fallback)
}

/**
 * The first reason in a Cause; none without an interruption.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const fromCause = (cause: Cause.Cause<unknown>): Option.Option<CancelReason> =>
  Option.fromUndefinedOr(firstOfCause(Argument.cause("CancelReason.fromCause", cause)))

/**
 * The first reason in an Exit, such as the exit in a finalizer; none without an interruption.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const fromExit = (exit: Exit.Exit<unknown, unknown>): Option.Option<CancelReason> => {
  const cause = Argument.causeOf("CancelReason.fromExit", exit)
  return cause === undefined ? Option.none() : fromCause(cause)
}
