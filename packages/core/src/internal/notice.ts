/**
 * Messages of this package that no caller can handle. The loggers of a context receive them. Without a logger of its own,
 * the `Console` service of the context prints them.
 *
 * `Effect.logWarning` would bring Effect's default loggers into each bundle, an eighth of a program with threads and
 * leases.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Logger from "effect/Logger"
import * as References from "effect/References"

type Level = "Warn" | "Error"

/** The key of `Logger.CurrentLoggers`, which a test compares. The reference itself brings the default loggers. */
export const loggersKey = "effect/Logger/CurrentLoggers"

/** The minimum levels under which a message is not logged. */
const silent: Readonly<Record<Level, ReadonlyArray<string>>> = {
  Warn: ["Error", "Fatal", "None"],
  Error: ["Fatal", "None"]
}

/** Logs a message after the current step, because a logger may itself spawn or interrupt a thread. */
export const log = (context: Context.Context<never>, logLevel: Level, ...message: ReadonlyArray<unknown>): void => {
  Effect.runForkWith(context)(
    Effect.flatMap(Effect.yieldNow, () => Effect.withFiberSucceed((fiber) => write(fiber, logLevel, message)))
  )
}

const write = (fiber: Fiber.Fiber<unknown, unknown>, logLevel: Level, message: ReadonlyArray<unknown>): void => {
  if (silent[logLevel].includes(fiber.getRef(References.MinimumLogLevel))) return
  // Only `Logger.CurrentLoggers` has this key.
  const loggers = fiber.context.mapUnsafe.get(loggersKey) as ReadonlySet<Logger.Logger<unknown, unknown>> | undefined
  if (loggers === undefined) {
    const console = fiber.getRef(Console.Console)
    return logLevel === "Warn" ? console.warn(...message) : console.error(...message)
  }
  const date = new Date(fiber.getRef(Clock.Clock).currentTimeMillisUnsafe())
  for (const logger of loggers) logger.log({ cause: Cause.empty, fiber, date, logLevel, message })
}
