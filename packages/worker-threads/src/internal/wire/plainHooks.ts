/**
 * The hooks of the worker of a plain function for other modules of this toolkit, which such a worker does not load by
 * itself. The function may load them: to lock a mutex, or to start workers of its own.
 */
import type { ToHost } from "./message.ts"

const key = "~@quiesce/worker-threads/plainHooks"

/** The requests for locks of synchronous code that is ended by force. */
export interface Locks {
  /** Called where synchronous code begins that may be ended by force. The result withdraws the requests of the code. */
  readonly begin: (isRunning: () => boolean) => () => void
}

export interface PlainHooks {
  locks: Locks | undefined
  /** Reports a thread below this worker to the host. */
  readonly report: (message: Extract<ToHost, { readonly _tag: "ThreadStarted" | "ThreadEnded" }>) => void
}

const globals = globalThis as { [key]?: PlainHooks | undefined }

/** Undefined in any other thread. */
export const current = (): PlainHooks | undefined => globals[key]

export const install = (hooks: PlainHooks): void => {
  globals[key] = hooks
}
