/**
 * The one error of this package. Its message says what happened, the likely cause and the remedy.
 *
 * The error stands for misuse and for limits that ran out. A cancel is never such an error: a cancel is an interruption with
 * a `CancelReason`.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Schema from "effect/Schema"
import { readOr } from "./internal/foreignValue.ts"

/**
 * The kinds of the error.
 *
 * - `InvalidReason`, `InvalidError`, `InvalidDuration`, `InvalidEscalation`: an argument is unusable
 * - `InvalidRelease`: the release of a lease returned something other than an effect
 * - `OutsideThread`: the operation needs a current thread, and no thread runs the code
 * - `SelfJoin`: a thread would wait for its own end
 * - `ScopeClosed`: the scope of a spawn has closed; the thread did not start
 * - `DeadlineExceeded`: the time of `Deadline.within` ran out, and the finalizers of the work have run
 * - `ReleaseTimedOut`: a release outlasted its own limit and was given up
 * - `Abandoned`: the thread outlasted the last rung of its escalation and may still run
 * - `Killed`: the thread was ended by force, without its finalizers; `lost` lists its leases
 * - `Crashed`: the worker or process of the thread broke down
 *
 * @category models
 * @since 0.1.0
 */
export type ThreadErrorReason =
  | { readonly _tag: "InvalidReason"; readonly given: string }
  | { readonly _tag: "InvalidError"; readonly given: string }
  | { readonly _tag: "InvalidDuration"; readonly option: string; readonly given: string; readonly problem: string }
  | { readonly _tag: "InvalidEscalation"; readonly problem: string }
  | { readonly _tag: "InvalidRelease"; readonly lease: string; readonly given: string }
  | { readonly _tag: "OutsideThread"; readonly operation: string }
  | { readonly _tag: "SelfJoin"; readonly thread: string }
  | { readonly _tag: "ScopeClosed"; readonly thread: string }
  | { readonly _tag: "DeadlineExceeded"; readonly millis: number }
  | { readonly _tag: "ReleaseTimedOut"; readonly lease: string; readonly millis: number }
  | { readonly _tag: "Abandoned"; readonly thread: string; readonly finalizer: string | null }
  | { readonly _tag: "Killed"; readonly thread: string; readonly lost: ReadonlyArray<string> }
  | { readonly _tag: "Crashed"; readonly thread: string; readonly problem: string }

const ThreadErrorReason: Schema.Codec<ThreadErrorReason> = Schema.Union([
  Schema.TaggedStruct("InvalidReason", { given: Schema.String }),
  Schema.TaggedStruct("InvalidError", { given: Schema.String }),
  Schema.TaggedStruct("InvalidDuration", { option: Schema.String, given: Schema.String, problem: Schema.String }),
  Schema.TaggedStruct("InvalidEscalation", { problem: Schema.String }),
  Schema.TaggedStruct("InvalidRelease", { lease: Schema.String, given: Schema.String }),
  Schema.TaggedStruct("OutsideThread", { operation: Schema.String }),
  Schema.TaggedStruct("SelfJoin", { thread: Schema.String }),
  Schema.TaggedStruct("ScopeClosed", { thread: Schema.String }),
  Schema.TaggedStruct("DeadlineExceeded", { millis: Schema.Number }),
  Schema.TaggedStruct("ReleaseTimedOut", { lease: Schema.String, millis: Schema.Number }),
  Schema.TaggedStruct("Abandoned", { thread: Schema.String, finalizer: Schema.NullOr(Schema.String) }),
  Schema.TaggedStruct("Killed", { thread: Schema.String, lost: Schema.Array(Schema.String) }),
  Schema.TaggedStruct("Crashed", { thread: Schema.String, problem: Schema.String })
])

type Fields = { readonly reason: typeof ThreadErrorReason }

const Base: Schema.Class<
  ThreadError,
  Schema.TaggedStruct<"ThreadError", Fields>,
  Cause.YieldableError
> = Schema.TaggedError<ThreadError>("@quiesce/core/ThreadError")("ThreadError", { reason: ThreadErrorReason })

/**
 * The error of this package. `reason._tag` names the kind. `message` says what happened, the likely cause and the remedy. The
 * class is a Schema, so the error crosses threads.
 *
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
 * @category constructors
 * @since 0.1.0
 */
export const make = (reason: ThreadErrorReason): ThreadError => new ThreadError({ reason })

/**
 * Whether a value is a `ThreadError`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isThreadError = (u: unknown): u is ThreadError => readOr(() => u instanceof ThreadError, false)

const explain = (reason: ThreadErrorReason): string => {
  switch (reason._tag) {
    case "InvalidReason":
      return `${reason.given} is not a CancelReason, so nothing was cancelled. Make one with CancelReason.interrupted("why"), or turn a foreign value into one with CancelReason.fromUnknown(value).`
    case "InvalidError":
      return `${reason.given} can't be raised into a thread, so nothing was raised. Raise an Error, or an instance of the Schema.TaggedError that a Thread.receive in the thread accepts.`
    case "InvalidDuration":
      return `${reason.option} is ${reason.given}: ${reason.problem}. Give a finite time such as "2 seconds".`
    case "InvalidEscalation":
      return `The escalation can't be climbed: ${reason.problem}. Give each rung a grace, as in { stop: "5 seconds", interrupt: "1 second" }; only the last may wait without limit.`
    case "InvalidRelease":
      return `The release of lease "${reason.lease}" returned ${reason.given} and no Effect, so its end was not awaited and the resource may still be held. It is probably an async or a plain function: wrap it in Effect.promise(() => ...) or Effect.sync(() => ...).`
    case "OutsideThread":
      return `${reason.operation} was used outside a thread, probably in a program that was run directly. Run the program with Thread.spawn, or pass in the thread.`
    case "SelfJoin":
      return `Thread "${reason.thread}" was asked to wait for its own end, which would last for ever. Join it from its parent, or end it from within by returning.`
    case "ScopeClosed":
      return `Thread "${reason.thread}" was not started, because its scope has closed. The scope probably ended while the fork was under way: spawn into a scope that lives as long as the thread should.`
    case "DeadlineExceeded":
      return `The work did not end within its deadline of ${reason.millis} ms. It was interrupted and its finalizers have run. Give it more time, or less to do.`
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
