/**
 * The error of this package: a problem with a program or its options, the likely cause and the remedy.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import type { Signal } from "effect/process/ChildProcess"
import { errorBase, readOr } from "@quiesce/core/internal"

/**
 * The kinds of the error. Misuse is thrown, or is a defect of the effect, before anything has started:
 *
 * - `InvalidOption`: an option can't be used as given
 * - `NotAnEffect`: `Main.run` was given something other than an Effect
 * - `AlreadyRunning`: the signals of the process have a program already
 * - `InWorker`: the call came from a worker thread, which receives no signals
 *
 * The error of a look at another process is typed:
 *
 * - `NotVisible`: the process can't be looked at, or should not be
 *
 * The errors of child processes are typed:
 *
 * - `SpawnFailed`: the command was not started, for example because it does not exist or can't be executed
 * - `Lost`: the process has ended, but its exit is not known
 * - `InputFailed`: the stream for the input of the process failed, and the process was ended
 * - `InputClosed`: the process no longer reads its input
 * - `OutputFailed`: the output of the process could not be read
 * - `OutputCut`: the process had ended, but another process kept its output open for longer than `drainWithin`
 * - `NonZeroExit`: `ProcessThread.expectSuccess` found an exit other than the code 0
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
  | { readonly _tag: "NotVisible"; readonly pid: number; readonly problem: string }
  | { readonly _tag: "SpawnFailed"; readonly command: string; readonly problem: string; readonly cause: unknown }
  | { readonly _tag: "Lost"; readonly command: string; readonly pid: number; readonly cause: unknown }
  | { readonly _tag: "InputFailed"; readonly command: string; readonly cause: unknown }
  | { readonly _tag: "InputClosed"; readonly command: string; readonly cause: unknown }
  | { readonly _tag: "OutputFailed"; readonly command: string; readonly stream: string; readonly cause: unknown }
  | { readonly _tag: "OutputCut"; readonly command: string; readonly stream: string; readonly millis: number }
  | { readonly _tag: "NonZeroExit"; readonly command: string; readonly exit: ProcessExit }

/**
 * The end of a process: by itself with a code, or by a signal.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type ProcessExit =
  | { readonly _tag: "Exited"; readonly code: number }
  | { readonly _tag: "Signaled"; readonly signal: Signal }

const Base: new (fields: { readonly reason: ProcessErrorReason }) => Cause.YieldableError & {
  readonly _tag: "ProcessError"
  readonly reason: ProcessErrorReason
} = /* @__PURE__ */ errorBase("ProcessError")

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
    case "NotVisible":
      return `The process ${reason.pid} can't be looked at: ${reason.problem}.`
    case "SpawnFailed":
    case "Lost":
    case "InputFailed":
    case "InputClosed":
    case "OutputFailed":
    case "OutputCut":
    case "NonZeroExit":
      return explainChild(reason)
  }
}

type Child = Exclude<
  ProcessErrorReason,
  { readonly _tag: "InvalidOption" | "NotAnEffect" | "AlreadyRunning" | "InWorker" | "NotVisible" }
>

const explainChild = (reason: Child): string => {
  const { command } = reason
  switch (reason._tag) {
    case "SpawnFailed":
      return `${command} was not started: ${reason.problem}.`
    case "Lost":
      return `${command} (pid ${reason.pid}) has ended, but the system did not tell how. The cause has the system's error.`
    case "InputFailed":
      return `The stream for the input of ${command} failed, so ${command} was ended: its input would be incomplete.`
    case "InputClosed":
      return `${command} does not read its input any more: it has ended, or has closed its standard input.`
    case "OutputFailed":
      return `The ${reason.stream} of ${command} could not be read. The cause has the system's error.`
    case "OutputCut":
      return `${command} has ended, but another process kept its ${reason.stream} open for ${reason.millis} ms, so the output may be incomplete. Raise drainWithin if that process was still writing, or read with ProcessThread.untilCut to take the output so far.`
    case "NonZeroExit":
      return reason.exit._tag === "Exited"
        ? `${command} has ended with the code ${reason.exit.code}.`
        : `${command} was ended by the signal ${reason.exit.signal}.`
  }
}
