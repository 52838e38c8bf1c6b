/**
 * The defect of this package: misuse, a thread that was ended by force, and a release that ran out of time. Its message
 * says what happened, the likely cause and the remedy.
 *
 * A cancel is never such an error: a cancel is an interruption with a `CancelReason`. The typed error of a deadline is
 * `Deadline.DeadlineExceeded`.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import { readOr } from "./internal/foreignValue.ts"

/**
 * The kinds of the error.
 *
 * - `InvalidReason`, `InvalidError`, `InvalidDuration`, `InvalidEscalation`: an argument is unusable
 * - `InvalidRelease`: the release of a lease returned something other than an effect
 * - `MainThread`: the main thread was asked to end, or a thread would wait for the end of the main thread
 * - `SelfJoin`: a thread would wait for its own end
 * - `ReleaseTimedOut`: a release outlasted its own limit and was given up
 * - `Abandoned`: the thread outlasted the last rung of its escalation and may still run
 * - `Killed`: the thread was ended by force, without its finalizers; `lost` lists its leases
 * - `Crashed`: the worker or process of the thread broke down
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type ThreadErrorReason =
  | { readonly _tag: "InvalidReason"; readonly given: string }
  | { readonly _tag: "InvalidError"; readonly given: string }
  | { readonly _tag: "InvalidDuration"; readonly option: string; readonly given: string; readonly problem: string }
  | { readonly _tag: "InvalidEscalation"; readonly problem: string }
  | { readonly _tag: "InvalidRelease"; readonly lease: string; readonly given: string }
  | { readonly _tag: "MainThread"; readonly operation: string }
  | { readonly _tag: "SelfJoin"; readonly thread: string }
  | { readonly _tag: "ReleaseTimedOut"; readonly lease: string; readonly millis: number }
  | { readonly _tag: "Abandoned"; readonly thread: string; readonly finalizer: string | null }
  | { readonly _tag: "Killed"; readonly thread: string; readonly lost: ReadonlyArray<string> }
  | { readonly _tag: "Crashed"; readonly thread: string; readonly problem: string }

const Base: new (fields: { readonly reason: ThreadErrorReason }) => Cause.YieldableError & {
  readonly _tag: "ThreadError"
  readonly reason: ThreadErrorReason
} = /* @__PURE__ */ Data.TaggedError("ThreadError")

/**
 * The error of this package. `reason._tag` names the kind. `message` says what happened, the likely cause and the remedy.
 * The error crosses threads by `Schemas.ThreadError`.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class ThreadError extends Base {
  override get message(): string {
    return explain(this.reason)
  }

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
export const make = (reason: ThreadErrorReason): ThreadError => new ThreadError({ reason })

/**
 * Whether a value is a `ThreadError`.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isThreadError = (u: unknown): u is ThreadError => readOr(() => u instanceof ThreadError, false)

const explain = (reason: ThreadErrorReason): string => {
  switch (reason._tag) {
    case "InvalidReason":
      return `${reason.given} is not a CancelReason, so nothing was cancelled. Make one with CancelReason.interrupted({ message: "why" }), or turn a foreign value into one with CancelReason.fromUnknown(value).`
    case "InvalidError":
      return `${reason.given} can't be raised into a thread, so nothing was raised. Raise an Error, or an instance of the Schema.TaggedError that a Thread.receive in the thread accepts.`
    case "InvalidDuration":
      return `${reason.option} is ${reason.given}: ${reason.problem}. Give a finite time such as "2 seconds".`
    case "InvalidEscalation":
      return `The escalation can't be climbed: ${reason.problem}. Give each rung a grace, as in { stop: "5 seconds", interrupt: "1 second" }; only the last may wait without limit.`
    case "InvalidRelease":
      return `The release of lease "${reason.lease}" returned ${reason.given} and no Effect, so its end was not awaited and the resource may still be held. It is probably an async or a plain function: wrap it in Effect.promise(() => ...) or Effect.sync(() => ...).`
    case "MainThread":
      return `${reason.operation} was asked of the main thread, which ends only with its process. The thread is probably Thread.current outside any spawned thread. Spawn the program with Thread.spawn and end that thread.`
    case "SelfJoin":
      return `Thread "${reason.thread}" was asked to wait for its own end, which would last for ever. Join it from its parent, or end it from within by returning.`
    case "ReleaseTimedOut":
      return `The release of lease "${reason.lease}" did not end within its limit of ${reason.millis} ms and was given up; the resource may still be held. Find out why the release waits, or raise releaseWithin.`
    case "Abandoned":
      return `Thread "${reason.thread}" outlasted the last rung of its escalation and was abandoned; it may still run${
        reason.finalizer === null ? "" : `, in the release of lease "${reason.finalizer}"`
      }. Give its releases a releaseWithin, or the escalation more time.`
    case "Killed":
      return `Thread "${reason.thread}" was ended by force, and its finalizers did not run. ${
        reason.lost.length === 0 ? "It held no lease." : `It held, and lost: ${reason.lost.join(", ")}.`
      } Let the host keep resources that must survive a kill (HostLease), and let the thread reach a checkpoint more often.`
    case "Crashed":
      return `The worker or process of thread "${reason.thread}" broke down: ${reason.problem}. Only its threads have ended. See the cause, and start the thread again.`
  }
}
