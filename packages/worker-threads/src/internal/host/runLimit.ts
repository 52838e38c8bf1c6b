/**
 * How long a task may run, from the time at which a worker takes it. At the limit the task ends by its escalation, and
 * then fails with `DeadlineExceeded`.
 *
 * Invariant: a task that was interrupted for another reason before the limit keeps that reason.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import { DeadlineExceeded } from "@quiesce/core/Deadline"
import * as ForcedEnd from "@quiesce/core/ForcedEnd"
import { isAbandoned, isExceeded } from "@quiesce/core/internal"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

type State =
  | { readonly _tag: "Waiting" }
  | { readonly _tag: "Running"; readonly timer: NodeJS.Timeout }
  | { readonly _tag: "Passed" }
  | { readonly _tag: "Over" }

export class RunLimit {
  private readonly millis: number
  private state: State = { _tag: "Waiting" }
  /** In milliseconds since the epoch; infinite before the run. */
  deadline: number = Infinity

  private constructor(millis: number) {
    this.millis = millis
  }

  /** Undefined for an infinite time. */
  static of(millis: number): RunLimit | undefined {
    return millis === Infinity ? undefined : new RunLimit(millis)
  }

  /** The run starts. `end` is called with the reason at the limit. */
  start(end: (reason: CancelReason.CancelReason) => void): void {
    this.deadline = Date.now() + this.millis
    const timer = setTimeout(() => {
      this.state = { _tag: "Passed" }
      end(CancelReason.deadlineExceeded(this.deadline))
    }, this.millis)
    this.state = { _tag: "Running", timer }
  }

  /** The task is ended. Before the limit, it is ended for another reason. */
  interrupted(): void {
    if (this.state._tag === "Passed") return
    this.clear()
  }

  /** The exit of a task that has ended with `exit`. */
  exitOf(exit: Exit.Exit<unknown, unknown>, context: Context.Context<never>): Exit.Exit<unknown, unknown> {
    const { _tag } = this.state
    this.clear()
    if (!Exit.isFailure(exit) || !Exit.hasInterrupts(exit)) return exit
    // A token in the worker may notice the deadline before the timer can run. After an earlier request, an interruption
    // without a reason is the answer to that request.
    const now = _tag === "Running" ? Date.now() : -Infinity
    if (_tag !== "Passed" && !isExceeded(exit.cause, this.deadline, now)) return exit
    return Exit.failCause(this.exceeded(exit.cause, context))
  }

  private clear(): void {
    if (this.state._tag === "Running") clearTimeout(this.state.timer)
    this.state = { _tag: "Over" }
  }

  /** The failures of finalizers are no part of the Cause, as after `Deadline.within`. An abandoned task has none. */
  private exceeded(cause: Cause.Cause<unknown>, context: Context.Context<never>): Cause.Cause<DeadlineExceeded> {
    const failures = cause.reasons.filter((reason) => !Cause.isInterruptReason(reason))
    const others = failures.filter((reason) => !isAbandoned(reason))
    const suppressed = others.map((reason) => (Cause.isFailReason(reason) ? reason.error : reason.defect))
    if (others.length > 0) {
      Effect.runForkWith(context)(Effect.logError("A finalizer failed after a deadline", Cause.fromReasons(others)))
    }
    const failure = Cause.fail(new DeadlineExceeded({ millis: this.millis, suppressed }))
    return Option.match(ForcedEnd.fromCause(cause), {
      onNone: () => failure,
      onSome: (end) => ForcedEnd.annotate(failure, end)
    })
  }
}
