/**
 * The one seam between the model and an adapter.
 *
 * Everything generic (signals, reasons, joining, the ladder, reports, groups, the ledger, the dump) exists once, on top of
 * this record. An adapter supplies a record for each thread and nothing else.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import type { CancelReason } from "../CancelReason.ts"

/**
 * The outcome of an attempt to end the synchronous code that blocks a thread: the code was ended (`Unwound`), no
 * synchronous code ran (`Idle`), or the attempt was `Refused`, because the running code must not be ended. `stack` is the
 * stack of that code, if the attempt saw the stack.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type UnwindOutcome =
  | { readonly _tag: "Unwound"; readonly stack?: string | undefined }
  | { readonly _tag: "Idle" }
  | { readonly _tag: "Refused"; readonly why: string; readonly stack?: string | undefined }

/**
 * The controls of one thread.
 *
 * `requestStop`, `requestInterrupt` and `kill` return at once and never fail. A request to an ended thread has no effect.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ThreadControls<out A, out E> {
  /** Completes with the exit of the thread, after all finalizers or when the thread is abandoned. */
  readonly exit: Effect.Effect<Exit.Exit<A, E>>
  /** The exit of an ended thread. */
  readonly poll: () => Exit.Exit<A, E> | undefined
  /**
   * False while the thread waits for a place to run, and for ever if it was ended there. Undefined for a thread that starts
   * when it is spawned.
   */
  readonly hasStarted?: boolean | undefined
  /** The place of a thread that runs elsewhere, for dumps: `worker 3` or `pid 4711`. Undefined while there is none. */
  readonly runsOn?: string | undefined
  /** Called once, with the first reason. */
  readonly requestStop: (reason: CancelReason) => Effect.Effect<void>
  /** Called once for each different reason, in order of arrival. */
  readonly requestInterrupt: (reason: CancelReason) => Effect.Effect<void>
  /** The same request in one step, for adapters that need no Effect; `by` is the id of the asking fiber. */
  readonly interruptUnsafe?: ((reason: CancelReason, by: number) => void) | undefined
  /**
   * Completes with `true` when a `receive` of the thread has failed with the error, with `false` if the thread ended
   * without a claim. Undefined for a thread whose calls of `receive` run in this JavaScript thread. *Cancellation*: a
   * pending error is withdrawn.
   *
   * `pending` is called with a function that withdraws the error if the error has no claim. The effect then completes with
   * `false`.
   */
  readonly raise?: ((error: unknown, pending?: (withdraw: () => void) => void) => Effect.Effect<boolean>) | undefined
  /** None if the adapter lacks the rung. */
  readonly unwind: Option.Option<Effect.Effect<UnwindOutcome>>
  /** The reason for the missing `unwind`, for the report; undefined for a thread on a fiber. */
  readonly unwindProblem?: string | undefined
  /** None if the adapter lacks the rung. */
  readonly kill: Option.Option<(reason: CancelReason) => Effect.Effect<void>>
  /** The stack of the thread now, if known. */
  readonly locate: Effect.Effect<Option.Option<string>>
  /** Has the loggers for a loss of the thread. Undefined for a thread on a fiber. */
  readonly context?: Context.Context<never> | undefined
  /** Resumes every waiter with this exit, though the thread may still run. No effect on a thread with an exit. */
  readonly abandon: (exit: Exit.Exit<never, never>) => void
}
