/**
 * The defect of this package: misuse, a thread that was abandoned, and a release that ran out of time. Its message says
 * what happened, the likely cause and the remedy.
 *
 * A cancel is never such an error: a cancel is an interruption with a `CancelReason`. The typed error of a deadline is
 * `Deadline.DeadlineExceeded`.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import { hasProperty } from "effect/Predicate"
import { errorBase } from "./internal/errorBase.ts"
import * as Texts from "./internal/errorTexts.ts"
import { givenText } from "./internal/givenText.ts"
import { readOr } from "./internal/foreignValue.ts"

/**
 * The kinds of the error.
 *
 * - `InvalidArgument`: an argument is of a wrong kind. `takes` describes the right kind
 * - `InvalidReason`, `InvalidError`, `InvalidReceivable`, `InvalidDuration`, `InvalidEscalation`: an argument is unusable
 * - `InvalidSection`: the section of `Blocking` returned a promise or an Effect
 * - `InvalidLease`: an option of `Lease.acquire` is of a wrong kind
 * - `InvalidRelease`: the release of a lease returned something other than an effect
 * - `InvalidCapacity`: the capacity of `Timeline.record` is no number of events
 * - `MainThread`: the main thread was asked to end, or a thread would wait for the end of the main thread
 * - `SelfJoin`: a thread would wait for its own end
 * - `ReleaseTimedOut`: a release outlasted its own limit and was given up
 * - `Abandoned`: the thread outlasted the last rung of its escalation and may still run
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type ThreadErrorReason =
  | {
      readonly _tag: "InvalidArgument"
      readonly operation: string
      readonly given: string
      readonly takes: string
    }
  | { readonly _tag: "InvalidReason"; readonly given: string }
  | { readonly _tag: "InvalidError"; readonly given: string }
  | { readonly _tag: "InvalidReceivable"; readonly given: string }
  | { readonly _tag: "InvalidDuration"; readonly option: string; readonly given: string; readonly problem: string }
  | { readonly _tag: "InvalidEscalation"; readonly problem: string }
  | { readonly _tag: "InvalidSection"; readonly operation: string; readonly given: string }
  | { readonly _tag: "InvalidLease"; readonly option: string; readonly given: string }
  | { readonly _tag: "InvalidRelease"; readonly lease: string; readonly given: string }
  | { readonly _tag: "InvalidCapacity"; readonly given: string }
  | { readonly _tag: "MainThread"; readonly operation: string }
  | { readonly _tag: "SelfJoin"; readonly thread: string }
  | { readonly _tag: "ReleaseTimedOut"; readonly lease: string; readonly millis: number }
  | { readonly _tag: "Abandoned"; readonly thread: string; readonly finalizer: string | null }

interface Fields {
  readonly reason: ThreadErrorReason
  readonly message: string
}

const Base: new (fields: Fields) => Cause.YieldableError & Fields & { readonly _tag: "ThreadError" } =
  /* @__PURE__ */ errorBase("ThreadError")

/**
 * The error of this package. `reason._tag` names the kind. `message` says what happened, the likely cause and the remedy.
 * The error crosses threads by `Schemas.ThreadError`.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class ThreadError extends Base {
  /** The printed form, also of `console.log`. */
  override toJSON(): unknown {
    return { _tag: this._tag, message: this.message, reason: this.reason }
  }
}

/**
 * Makes a `ThreadError` from its reason.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (reason: ThreadErrorReason): ThreadError => new ThreadError({ reason, message: explain(reason) })

/**
 * Whether a value is a `ThreadError`.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isThreadError = (u: unknown): u is ThreadError => readOr(() => u instanceof ThreadError, false)

/** A user without types may give another value. */
const wrongReason = (given: never): ThreadError => {
  const takes = 'the reason of a ThreadError, such as { _tag: "SelfJoin", thread: "name" }'
  const reason = { _tag: "InvalidArgument", operation: "ThreadError.make", given: givenText(given), takes } as const
  return new ThreadError({ reason, message: Texts.invalidArgument(reason) })
}

const explain = (reason: ThreadErrorReason): string => {
  if (!hasProperty(reason, "_tag")) throw wrongReason(reason)
  switch (reason._tag) {
    case "InvalidArgument":
      return Texts.invalidArgument(reason)
    case "InvalidReason":
      return Texts.invalidReason(reason)
    case "InvalidError":
      return Texts.invalidError(reason)
    case "InvalidReceivable":
      return Texts.invalidReceivable(reason)
    case "InvalidDuration":
      return Texts.invalidDuration(reason)
    case "InvalidEscalation":
      return Texts.invalidEscalation(reason)
    case "InvalidSection":
      return Texts.invalidSection(reason)
    case "InvalidLease":
      return Texts.invalidLease(reason)
    case "InvalidRelease":
      return Texts.invalidRelease(reason)
    case "InvalidCapacity":
      return Texts.invalidCapacity(reason)
    case "MainThread":
      return Texts.mainThread(reason)
    case "SelfJoin":
      return Texts.selfJoin(reason)
    case "ReleaseTimedOut":
      return Texts.releaseTimedOut(reason)
    case "Abandoned":
      return Texts.abandoned(reason)
    default:
      throw wrongReason(reason)
  }
}
