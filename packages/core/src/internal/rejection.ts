/** The rejection of a Promise that stands for an effect. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as CancelReason from "../CancelReason.ts"
import { readOr } from "./foreignValue.ts"

const of = (cause: Cause.Cause<unknown>): unknown =>
  Cause.hasInterruptsOnly(cause) ? CancelReason.toError(CancelReason.firstOfCause(cause)!) : Cause.squash(cause)

/**
 * Settles a Promise with an exit. After an abort, an interruption rejects with the reason of `signal`. The failure of a
 * finalizer is then logged.
 */
export const settle = <A>(
  exit: Exit.Exit<A, unknown>,
  signal: AbortSignal | undefined,
  resolve: (value: A) => void,
  reject: (reason: unknown) => void
): void => {
  if (exit._tag === "Success") return resolve(exit.value)
  if (signal?.aborted !== true || !Cause.hasInterrupts(exit.cause)) return reject(of(exit.cause))
  if (exit.cause.reasons.some(isFailedFinalizer)) {
    Effect.runFork(Effect.logError("A finalizer failed after an abort", exit.cause))
  }
  reject(signal.reason)
}

/** A deadline that has passed beside the abort is none. The failures of its finalizers were logged at the deadline. */
const isFailedFinalizer = (reason: Cause.Reason<unknown>): boolean =>
  !Cause.isInterruptReason(reason) &&
  !(Cause.isFailReason(reason) && readOr(() => Predicate.isTagged(reason.error, "DeadlineExceeded"), false))
