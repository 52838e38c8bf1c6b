/**
 * Why a thread was asked to end: who asked, when, and in which words.
 *
 * A reason is plain data that crosses threads by its Schema. Inside one thread it travels as an annotation of the
 * interruption's Cause, and on AbortSignals as an `Error` named `AbortError`. The first reason that reaches a thread
 * is the one that its signals, finalizers and children see.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { format } from "effect/Formatter"
import { hasProperty } from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as AmbientReason from "./internal/ambientReason.ts"

/**
 * What all reasons have: `message`; `by`, the name of the thread that asked, which is `main` outside any; and `at`, the
 * time of the request in milliseconds since the epoch. `Thread` and `ThreadGroup` fill in both where they are missing;
 * what comes from a foreign signal has neither.
 *
 * @category models
 * @since 0.1.0
 */
export interface Asked {
  readonly message: string
  readonly by?: string | undefined
  readonly at?: number | undefined
}

/**
 * Why a thread was asked to end.
 *
 * - `Stopped`: asked to end by itself
 * - `Interrupted`: interrupted by hand, or by a fiber that gave no reason
 * - `TimedOut`: a timer of `millis` milliseconds ran out
 * - `DeadlineExceeded`: the deadline `deadline`, in milliseconds since the epoch, has passed
 * - `ParentEnded`: `parent`, in whose scope it lived, has ended
 * - `SiblingFailed`: `sibling` failed in a group that fails fast
 * - `Shutdown`: the program ends, on the OS signal `signal` if there was one
 * - `Aborted`: a foreign AbortSignal aborted, with `cause` as its `reason`
 *
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
  | (Asked & { readonly _tag: "Aborted"; readonly cause: unknown })

const asked = {
  message: Schema.String,
  by: Schema.optional(Schema.String),
  at: Schema.optional(Schema.Number)
}

/**
 * The Schema of a reason. The `cause` of `Aborted` is encoded as a defect: name, message and stack survive, identity
 * does not.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CancelReason: Schema.Codec<CancelReason, unknown> = Schema.Union([
  Schema.TaggedStruct("Stopped", asked),
  Schema.TaggedStruct("Interrupted", asked),
  Schema.TaggedStruct("TimedOut", { ...asked, millis: Schema.Number }),
  Schema.TaggedStruct("DeadlineExceeded", { ...asked, deadline: Schema.Number }),
  Schema.TaggedStruct("ParentEnded", { ...asked, parent: Schema.String }),
  Schema.TaggedStruct("SiblingFailed", { ...asked, sibling: Schema.String }),
  Schema.TaggedStruct("Shutdown", { ...asked, signal: Schema.optional(Schema.String) }),
  Schema.TaggedStruct("Aborted", { ...asked, cause: Schema.Defect() })
])

const tags: ReadonlySet<unknown> = new Set<CancelReason["_tag"]>([
  "Stopped",
  "Interrupted",
  "TimedOut",
  "DeadlineExceeded",
  "ParentEnded",
  "SiblingFailed",
  "Shutdown",
  "Aborted"
])

/**
 * Whether a value is a reason, by its tag and message. What comes from another thread is decoded with the Schema.
 *
 * @category guards
 * @since 0.1.0
 */
export const isCancelReason = (u: unknown): u is CancelReason =>
  hasProperty(u, "_tag") && tags.has(u._tag) && hasProperty(u, "message") && typeof u.message === "string"

/**
 * The `Error` that stands for a reason where JavaScript wants one: as `signal.reason`, as what `StopToken.check`
 * throws and as what `Signal.run` rejects with. Its `name` is `AbortError`; it has no stack, as it is not thrown where
 * the fault is.
 *
 * @category errors
 * @since 0.1.0
 */
export class CancelError extends Error {
  override readonly name: "AbortError" = "AbortError"
  /** The reason itself. */
  readonly reason: CancelReason
  constructor(reason: CancelReason) {
    super(reason.message, reason._tag === "Aborted" ? { cause: reason.cause } : undefined)
    this.reason = reason
  }
}

/** @category constructors @since 0.1.0 */
export const stopped = (message = "Asked to stop"): CancelReason => ({ _tag: "Stopped", message })

/** @category constructors @since 0.1.0 */
export const interrupted = (message = "Interrupted"): CancelReason => ({ _tag: "Interrupted", message })

/** A timer of `millis` milliseconds ran out. @category constructors @since 0.1.0 */
export const timedOut = (millis: number, message = `Timed out after ${millis} ms`): CancelReason => ({
  _tag: "TimedOut",
  message,
  millis
})

/** `deadline` is in milliseconds since the epoch. @category constructors @since 0.1.0 */
export const deadlineExceeded = (deadline: number, message = "The deadline has passed"): CancelReason => ({
  _tag: "DeadlineExceeded",
  message,
  deadline
})

/** @category constructors @since 0.1.0 */
export const parentEnded = (parent: string, message = `Parent "${parent}" has ended`): CancelReason => ({
  _tag: "ParentEnded",
  message,
  parent
})

/** @category constructors @since 0.1.0 */
export const siblingFailed = (sibling: string, message = `Sibling "${sibling}" has failed`): CancelReason => ({
  _tag: "SiblingFailed",
  message,
  sibling
})

/** `signal` is an OS signal such as `SIGTERM`. @category constructors @since 0.1.0 */
export const shutdown = (message = "Shutting down", signal?: string): CancelReason =>
  signal === undefined ? { _tag: "Shutdown", message } : { _tag: "Shutdown", message, signal }

/** `cause` is the foreign `signal.reason`. @category constructors @since 0.1.0 */
export const aborted = (cause: unknown, message = `Aborted: ${describe(cause)}`): CancelReason => ({
  _tag: "Aborted",
  message,
  cause
})

const describe = (u: unknown): string =>
  u instanceof Error ? u.message || u.name : typeof u === "string" ? u : format(u)

/** V8's switch for stacks, which cost more than all the rest; elsewhere it is just a property. */
const V8Error: { stackTraceLimit?: number | undefined; readonly prototype: Error } = Error

const errors = new WeakMap<CancelReason, CancelError>()

/**
 * The error of a reason; the same reason always has the same error.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toError = (self: CancelReason): CancelError => {
  let error = errors.get(self)
  if (error === undefined) {
    const limit = V8Error.stackTraceLimit
    V8Error.stackTraceLimit = 0
    error = new CancelError(self)
    V8Error.stackTraceLimit = limit
    errors.set(self, error)
  }
  return error
}

/**
 * The reason that a foreign value stands for: a reason or the error of one gives just that, and anything else, such as
 * the `TimeoutError` of `AbortSignal.timeout`, an `Aborted` with the value as its `cause`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromUnknown = (u: unknown): CancelReason => {
  if (u instanceof CancelError) return u.reason
  if (isCancelReason(u)) return u
  return aborted(u)
}

const Annotation: Context.Service<"@quiesce/core/CancelReason", CancelReason> = Context.Service<
  "@quiesce/core/CancelReason",
  CancelReason
>("@quiesce/core/CancelReason")

/** One request often reaches many threads, so the annotations of the last reason are kept. */
let last: { readonly reason: CancelReason; readonly annotations: Context.Context<never> } | undefined

/**
 * The Cause annotations that carry a reason, for `Fiber.interruptAs` and `Cause.annotate`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toAnnotations = (self: CancelReason): Context.Context<never> => {
  if (last?.reason !== self) {
    // A Cause's annotations are typed as a context of no services; the key is looked up by name only.
    last = { reason: self, annotations: Context.make(Annotation, self) as Context.Context<never> }
  }
  return last.annotations
}

/**
 * A Cause that says "interrupted, for this reason".
 *
 * @category conversions
 * @since 0.1.0
 */
export const toCause = (self: CancelReason): Cause.Cause<never> =>
  Cause.annotate(Cause.interrupt(), toAnnotations(self))

/** What one entry of a Cause stands for. */
const ofInterrupt = (entry: Cause.Interrupt): CancelReason | undefined => {
  const found = entry.annotations.get(Annotation.key)
  // The one that was annotated last is the one that is asked for most.
  return found === last?.reason || isCancelReason(found) ? (found as CancelReason | undefined) : undefined
}

const unnamed = (entry: Cause.Interrupt): CancelReason => {
  const ambient = AmbientReason.current()
  if (isCancelReason(ambient)) return ambient
  return interrupted(entry.fiberId === undefined ? "Interrupted" : `Interrupted by fiber #${entry.fiberId}`)
}

/**
 * All the reasons in a Cause, the first to arrive first. Interruptions that carry none, as those of Effect's own
 * combinators do, count only where there is no other: then the first stands for the reason of the thread that runs
 * this, if that was cancelled, or for an `Interrupted` that names the fiber.
 *
 * @category conversions
 * @since 0.1.0
 */
export const allFromCause = (cause: Cause.Cause<unknown>): ReadonlyArray<CancelReason> => {
  const interrupts = cause.reasons.filter(Cause.isInterruptReason)
  const named = interrupts.map(ofInterrupt).filter((reason) => reason !== undefined)
  return named.length > 0 ? named : interrupts.slice(0, 1).map(unnamed)
}

/**
 * The first reason in a Cause; undefined when it holds no interruption.
 *
 * @category conversions
 * @since 0.1.0
 */
export const firstOfCause = (cause: Cause.Cause<unknown>): CancelReason | undefined => {
  let fallback: Cause.Interrupt | undefined
  const { reasons } = cause
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
 * The first reason in a Cause; none when it holds no interruption.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromCause = (cause: Cause.Cause<unknown>): Option.Option<CancelReason> =>
  Option.fromUndefinedOr(firstOfCause(cause))

/**
 * The first reason in an Exit, as a finalizer is handed one; none when it was not interrupted.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromExit = (exit: Exit.Exit<unknown, unknown>): Option.Option<CancelReason> =>
  exit._tag === "Failure" ? fromCause(exit.cause) : Option.none()
