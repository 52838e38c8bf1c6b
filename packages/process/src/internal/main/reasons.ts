/** The reasons for which a program ends. */
import * as CancelReason from "@quiesce/core/CancelReason"
import { messageOf } from "@quiesce/core/internal"
import * as BrokenOutput from "../output/brokenOutput.ts"
import type { Signal } from "../signals/signalName.ts"

/** A request to end a program. */
export type Request =
  | { readonly _tag: "Signal"; readonly signal: Signal }
  | { readonly _tag: "ParentEnded" }
  /** Nobody reads stdout or stderr any more. */
  | { readonly _tag: "ReaderGone" }
  /** The terminal of stdout or stderr was closed. */
  | { readonly _tag: "TerminalGone" }
  | { readonly _tag: "Uncaught"; readonly error: unknown }
  /** The finalizers of a program that has ended by itself don't end. */
  | { readonly _tag: "OutOfTime" }

const options = (request: Request): { readonly message: string; readonly signal?: string } => {
  switch (request._tag) {
    case "Signal":
      return { message: `Received ${request.signal}`, signal: request.signal }
    case "ParentEnded":
      // A terminal that goes away sends this signal.
      return { message: "The parent process has ended", signal: "SIGHUP" }
    case "ReaderGone":
      // Other programs get this signal at their next write. Node ignores the signal.
      return { message: "The reader of the output has gone away", signal: BrokenOutput.signals.ReaderGone }
    case "TerminalGone":
      // The system sends this signal, too, but only to the processes in the foreground.
      return { message: "The terminal was closed", signal: BrokenOutput.signals.TerminalGone }
    case "Uncaught":
      return { message: `Uncaught exception: ${messageOf(request.error)}` }
    case "OutOfTime":
      return { message: "Its finalizers did not end in time" }
  }
}

/** The reason has its time already, because each rung is asked with the same reason. */
export const of = (request: Request): CancelReason.CancelReason => ({
  ...CancelReason.shutdown(options(request)),
  by: "main",
  at: Date.now()
})
