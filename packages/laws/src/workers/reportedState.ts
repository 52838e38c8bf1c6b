/** The states of the worker of a run, as the host sees them. */
import type { ToHost } from "./messages.ts"

/** The last reported state of the worker. */
export type Reported =
  | { readonly _tag: "Busy" }
  /** The thread waits for a place. */
  | { readonly _tag: "Queued" }
  | Extract<ToHost, { readonly _tag: "Idle" }>
  | { readonly _tag: "Asking"; readonly index: number }
  | { readonly _tag: "Spinning"; readonly spin: number; readonly ends: boolean }
  | { readonly _tag: "Finished"; readonly message: Extract<ToHost, { readonly _tag: "Finished" }> }
  | { readonly _tag: "Gone" }

export const busy: Reported = { _tag: "Busy" }
