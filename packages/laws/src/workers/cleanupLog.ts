/** Watches the logs for the failures of releases. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Logger from "effect/Logger"

/** The loggers of a run: one that notes failures. */
export const loggers = (noted: () => void): Context.Context<never> => {
  const logger = Logger.make<unknown, void>(({ cause }) => {
    if (cause.reasons.some((reason) => !Cause.isInterruptReason(reason))) noted()
  })
  return Context.make(Logger.CurrentLoggers, new Set([logger]))
}

/**
 * The line by which functions with promises log that a release of an aborted call has failed. It goes to the console,
 * without the name of a run, so that one run at a time watches.
 */
const line = "A finalizer failed after an abort"

let last: Promise<unknown> = Promise.resolve()

/** Runs `f` when no other run watches, and calls `onLine` at each such line during the run. Other lines are printed. */
export const watch = <A>(onLine: () => void, f: () => Promise<A>): Promise<A> => {
  const watched = last.then(() => whileWatching(onLine, f))
  last = watched.catch(() => {})
  return watched
}

const methods = ["log", "error", "warn", "info"] as const

const whileWatching = async <A>(onLine: () => void, f: () => Promise<A>): Promise<A> => {
  const originals = methods.map((method) => [method, console[method]] as const)
  for (const [method, original] of originals) {
    console[method] = (...args: ReadonlyArray<unknown>) => {
      if (args.some((arg) => String(arg).includes(line))) onLine()
      else original.apply(console, [...args])
    }
  }
  try {
    return await f()
  } finally {
    for (const [method, original] of originals) console[method] = original
  }
}
