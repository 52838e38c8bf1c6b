/**
 * An async scope of Node around code that may be ended by force.
 *
 * The code may change its AsyncLocalStorage context (`run`, `enterWith`), and may enter async scopes of its own
 * (`AsyncResource.runInAsyncScope`, which Effect uses to resume a fiber). Code that was ended leaves none of these. Node
 * aborts the process when an outer scope ends while an inner one is still entered.
 *
 * Invariants:
 * 1. After `run`, the caller has the AsyncLocalStorage context from before.
 * 2. If the code has left scopes entered, all scopes of the turn are left, as after an uncaught exception that was
 *    handled. The outer scopes then end without a check. There is no public way to leave one scope.
 *
 * Measured on Node 22.23, 24.21 and 26.10, with and without `createHook`: with invariant 2, no abort from a timer, a tick,
 * a promise, an immediate and an AsyncResource. From Node 24 on nothing is lost but `executionAsyncId` for the rest of the
 * turn. On Node 22 the rest of the turn also loses its AsyncLocalStorage context. If another owner has set the capture
 * callback for uncaught exceptions, as the module `domain` does, the scopes can't be left.
 */
import * as Effect from "effect/Effect"

interface Resource {
  readonly runInAsyncScope: (code: () => void) => void
  readonly asyncId: () => number
  readonly emitDestroy: () => void
}

export interface AsyncHooks {
  readonly AsyncResource: new (type: string, options: { readonly requireManualDestroy: true }) => Resource
  readonly executionAsyncId: () => number
}

/** The part of Node's `process` that leaves all scopes. `_fatalException` is private. */
export interface Process {
  readonly _fatalException?: (error: Error, fromPromise: boolean) => boolean
  readonly hasUncaughtExceptionCaptureCallback?: () => boolean
  readonly setUncaughtExceptionCaptureCallback?: (callback: (() => void) | null) => void
}

/** Runs code in a scope of its own. The code returns also if a part of it was ended. */
export const run = (hooks: AsyncHooks, process: Process, code: () => void): void => {
  const resource = new hooks.AsyncResource("QuiesceSection", { requireManualDestroy: true })
  resource.runInAsyncScope(() => {
    code()
    if (hooks.executionAsyncId() !== resource.asyncId()) leaveAll(hooks, process)
  })
  resource.emitDestroy()
}

const leaveAll = (hooks: AsyncHooks, process: Process): void => {
  const entered = hooks.executionAsyncId()
  if (process.hasUncaughtExceptionCaptureCallback?.() === false) {
    process.setUncaughtExceptionCaptureCallback?.(() => {})
    try {
      process._fatalException?.(
        new Error("A section was ended inside an async scope. The error has been handled"),
        false
      )
    } finally {
      process.setUncaughtExceptionCaptureCallback?.(null)
    }
  }
  if (hooks.executionAsyncId() === entered) Effect.runSync(stillEntered)
}

const stillEntered = /* @__PURE__ */ Effect.logFatal(
  "A section was ended at its deadline inside an async scope that it had entered itself, by AsyncResource.runInAsyncScope or by resuming a fiber. Node can't leave the scope, and may end the process. Do so outside the section, or let the section poll its token there. Without process.setUncaughtExceptionCaptureCallback and the module domain, the scope can be left."
)
