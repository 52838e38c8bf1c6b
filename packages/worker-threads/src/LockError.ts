/**
 * The error of shared locks, for what a correct program must expect: a dead owner, an unusable lock, a timeout, no room.
 * Misuse, such as too many permits or a value that is no lock, is a defect with a `WorkerError`.
 *
 * @since 0.1.0
 */
import { errorBase, readOr } from "@quiesce/core/internal"
import type * as Cause from "effect/Cause"

/**
 * Why a lock was not acquired.
 *
 * - `OwnerDied`: the thread that held the lock has died, and the protected data may be inconsistent
 * - `LockUnusable`: a thread that held the lock has died, and the next owner did not declare the data consistent; or, with
 *   `threadId` -1, a thread has written over the memory of the lock
 * - `LockTimedOut`: synchronous code has reached the timeout of its wait for a lock
 * - `LockFull`: a lock has no room for more threads or requests
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type LockErrorReason =
  | { readonly _tag: "OwnerDied"; readonly lock: string; readonly threadId: number }
  | { readonly _tag: "LockUnusable"; readonly lock: string; readonly threadId: number }
  | { readonly _tag: "LockTimedOut"; readonly lock: string; readonly millis: number }
  | { readonly _tag: "LockFull"; readonly lock: string; readonly problem: string }

const Base: new (fields: { readonly reason: LockErrorReason }) => Cause.YieldableError & {
  readonly _tag: "LockError"
  readonly reason: LockErrorReason
} = /* @__PURE__ */ errorBase("LockError")

/**
 * The error of a lock. `reason._tag` names the case; `message` has the problem, the likely cause and the remedy.
 * The error crosses threads by `Schemas.LockError`.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class LockError extends Base {
  override get message(): string {
    return explain(this.reason)
  }

  /** The printed form, also for `console.log`. */
  override toJSON(): unknown {
    return { _tag: this._tag, message: this.message, reason: this.reason }
  }
}

/**
 * Makes a `LockError` from its reason.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (reason: LockErrorReason): LockError => new LockError({ reason })

/**
 * Whether a value is a `LockError`.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isLockError = (value: unknown): value is LockError => readOr(() => value instanceof LockError, false)

const explain = (reason: LockErrorReason): string => {
  switch (reason._tag) {
    case "OwnerDied":
      return `Thread ${reason.threadId} died while it held "${reason.lock}". The data that the lock protects may be half changed, so the effect did not run. Give withLock a recover that makes the data consistent. Until then each withLock without one fails like this.`
    case "LockUnusable":
      return explainUnusable(reason)
    case "LockTimedOut":
      return `"${reason.lock}" could not be acquired within ${reason.millis} ms, and the request was withdrawn. Allow more time, or hold the lock for less.`
    case "LockFull":
      return `"${reason.lock}" has no room for this request: ${reason.problem}. Limit how many requests wait at a time, and report the end of each Worker with SharedMutex.threadDied.`
  }
}

const explainUnusable = ({ lock, threadId }: Extract<LockErrorReason, { readonly _tag: "LockUnusable" }>): string =>
  threadId < 0
    ? `"${lock}" can't be used any more: a thread has written over its memory. Look for code that writes to the buffer of the lock. Set up the data afresh, with a new lock.`
    : `"${lock}" can't be used any more: thread ${threadId} died while it held the lock, and the next owner released it without declaring the data consistent. Set up the data afresh, with a new lock. Use recover or markConsistent to survive the next death.`
