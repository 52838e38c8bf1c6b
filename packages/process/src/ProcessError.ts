/**
 * The error of this package: a problem with a program or its options, the likely cause and the remedy.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import { readOr } from "@quiesce/core/internal"

/**
 * The kinds of the error. Each is a misuse, and is thrown before any part of the program has run.
 *
 * - `InvalidOption`: an option can't be used as given
 * - `NotAnEffect`: `Main.run` was given something other than an Effect
 * - `AlreadyRunning`: the signals of the process have a program already
 * - `InWorker`: the call came from a worker thread, which receives no signals
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type ProcessErrorReason =
  | { readonly _tag: "InvalidOption"; readonly option: string; readonly problem: string }
  | { readonly _tag: "NotAnEffect"; readonly given: string }
  | { readonly _tag: "AlreadyRunning"; readonly operation: string; readonly running: string }
  | { readonly _tag: "InWorker"; readonly operation: string }

const Base: new (fields: { readonly reason: ProcessErrorReason }) => Cause.YieldableError & {
  readonly _tag: "ProcessError"
  readonly reason: ProcessErrorReason
} = /* @__PURE__ */ Data.TaggedError("ProcessError")

/**
 * The error of this package. `reason._tag` names the case; `message` has the problem, the likely cause and the remedy.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class ProcessError extends Base {
  override get message(): string {
    return explain(this.reason)
  }

  /** The printed form, also for `console.log`. */
  override toJSON(): unknown {
    return { _tag: this._tag, message: this.message, reason: this.reason }
  }
}

/**
 * Makes a `ProcessError` from its reason.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (reason: ProcessErrorReason): ProcessError => new ProcessError({ reason })

/**
 * Whether a value is a `ProcessError`.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isProcessError = (value: unknown): value is ProcessError =>
  readOr(() => value instanceof ProcessError, false)

const explain = (reason: ProcessErrorReason): string => {
  switch (reason._tag) {
    case "InvalidOption":
      return `${reason.option}: ${reason.problem}.`
    case "NotAnEffect":
      return `Main.run was given ${reason.given} and no Effect, so nothing runs. A promise or an async function becomes a program with Abort.promise((signal) => ...).`
    case "AlreadyRunning":
      return `${reason.operation} was called while ${reason.running} handles the signals of this process, so nothing was started. Run both as one program: Main.run(Effect.all([first, second], { concurrency: "unbounded" })).`
    case "InWorker":
      return `${reason.operation} was called in a worker thread, which receives no signals, so nothing was started. Call it on the main thread; a worker of a pool is ended by its pool.`
  }
}
