/**
 * The one seam between the model and what a thread runs on.
 *
 * Everything generic (signals, reasons, joining, the ladder, reports, groups, the ledger, the dump) exists once, on
 * top of this record. An adapter supplies a record for each thread and nothing else.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import type { CancelReason } from "./CancelReason.ts"

/**
 * What came of an attempt to end the synchronous section that hogs a thread: it was `Unwound`; nothing synchronous
 * was `Idle` to be ended; or the attempt was `Refused`, because what ran must not be ended.
 *
 * @category models
 * @since 0.1.0
 */
export type UnwindOutcome =
  | { readonly _tag: "Unwound" }
  | { readonly _tag: "Idle" }
  | { readonly _tag: "Refused"; readonly why: string }

/**
 * How one thread is reached.
 *
 * `requestStop`, `requestInterrupt` and `kill` ask and return at once, and never fail. What is asked of a thread that
 * has ended does nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface ThreadControls<out A, out E> {
  /** Completes once, with the one exit of the thread, after all its cleaning up or when it was abandoned. */
  readonly exit: Effect.Effect<Exit.Exit<A, E>>
  /** The exit, when there is one already. */
  readonly poll: () => Exit.Exit<A, E> | undefined
  /** Called once, with the first reason. */
  readonly requestStop: (reason: CancelReason) => Effect.Effect<void>
  /** Called once for each different reason, the one that the thread is cancelled for first. */
  readonly requestInterrupt: (reason: CancelReason) => Effect.Effect<void>
  /** The same in one step, where it needs no Effect; `by` is the id of the fiber that asks. */
  readonly interruptUnsafe?: ((reason: CancelReason, by: number) => void) | undefined
  /**
   * Completes with `true` when a `receive` of the thread has failed with the error, with `false` when the thread ended
   * before one claimed it. *Cancellation*: an error that is still pending is withdrawn.
   */
  readonly raise: (error: unknown) => Effect.Effect<boolean>
  /** None where the adapter can't. */
  readonly unwind: Option.Option<Effect.Effect<UnwindOutcome>>
  /** None where the adapter can't. */
  readonly kill: Option.Option<(reason: CancelReason) => Effect.Effect<void>>
  /** Where the thread is now: a stack, if it can be had. */
  readonly locate: Effect.Effect<Option.Option<string>>
  /** Gives every waiter this exit, though the thread may still run. Does nothing when it has one. */
  readonly abandon: (exit: Exit.Exit<never, never>) => void
}
