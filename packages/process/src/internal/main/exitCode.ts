/** The exit code of a program, as a shell expects it, and the report of its failure. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import * as CancelReason from "@quiesce/core/CancelReason"
import { readOr, textOf } from "@quiesce/core/internal"
import { isThreadError } from "@quiesce/core/ThreadError"
import { exitCode, type Signal } from "../signals/signalName.ts"

/** The name of the signal in a reason. Reasons of this package have no other text there. */
const signalIn = (reason: CancelReason.CancelReason | undefined): Signal | undefined =>
  reason?._tag === "Shutdown" ? (reason.signal as Signal | undefined) : undefined

/**
 * Effect's teardown, with 128 + n for the end by a signal. A program that was given up has ended by the signal, too.
 */
export const teardown: Runtime.Teardown = (exit, onExit) => {
  const signal = exit._tag === "Failure" && isCancelled(exit.cause) ? signalOf(exit) : undefined
  onExit(signal === undefined ? readOr(() => ownCode(exit), 1) : exitCode(signal))
}

/** Throws if the error of the exit throws when it is read. */
const ownCode = (exit: Exit.Exit<unknown, unknown>): number => {
  let own = 1
  Runtime.defaultTeardown(exit, (code) => {
    own = code
  })
  return own
}

/** The signal that has ended the program, if the exit is an interruption. */
export const signalOf = (exit: Exit.Exit<unknown, unknown>): Signal | undefined =>
  exit._tag === "Success" ? undefined : signalIn(CancelReason.firstOfCause(exit.cause))

const isCancelled = (cause: Cause.Cause<unknown>): boolean =>
  Cause.hasInterrupts(cause) &&
  cause.reasons.every(
    (entry) => Cause.isInterruptReason(entry) || (Cause.isDieReason(entry) && isAbandon(entry.defect))
  )

const isAbandon = (defect: unknown): boolean => isThreadError(defect) && defect.reason._tag === "Abandoned"

/** Whether an exit is a failure for the report. An abandoned program has a report of its own. */
export const isReported = (exit: Exit.Exit<unknown, unknown>): exit is Exit.Failure<unknown, unknown> =>
  exit._tag === "Failure" &&
  !Cause.hasInterruptsOnly(exit.cause) &&
  !isCancelled(exit.cause) &&
  readOr(() => Runtime.getErrorReported(Cause.squash(exit.cause)), true)

/** Logs a cause. An error that throws when it is read is logged as the text that can be made of it. */
export const report = (cause: Cause.Cause<unknown>, ...message: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.catchDefect(Effect.logError(...message, cause), () => Effect.logError(...message, readable(cause)))

const readable = (cause: Cause.Cause<unknown>): Cause.Cause<unknown> =>
  Cause.fromReasons(
    cause.reasons.map((reason) => {
      switch (reason._tag) {
        case "Fail":
          return Cause.makeFailReason(new Error(textOf(reason.error)))
        case "Die":
          return Cause.makeDieReason(new Error(textOf(reason.defect)))
        case "Interrupt":
          return reason
      }
    })
  )
