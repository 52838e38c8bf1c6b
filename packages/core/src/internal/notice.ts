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
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Logger from "effect/Logger"
import type { Severity } from "effect/LogLevel"
import * as References from "effect/References"

/** The key of `Logger.CurrentLoggers`, which a test compares. The reference itself brings the default loggers. */
export const loggersKey = "effect/Logger/CurrentLoggers"

/** All levels, the lowest first. */
const levels = ["All", "Trace", "Debug", "Info", "Warn", "Error", "Fatal", "None"]

/** The thread that a message is about. */
interface Subject {
  readonly id: number
  readonly name: string
}

interface Message {
  readonly level: Severity
  readonly parts: ReadonlyArray<unknown>
  readonly cause: Cause.Cause<unknown>
}

/** Logs a message after the current step, because a logger may itself spawn or interrupt a thread. */
export const log = (context: Context.Context<never>, level: Severity, ...parts: ReadonlyArray<unknown>): void => {
  Effect.runForkWith(context)(Effect.andThen(Effect.yieldNow, writing({ level, parts, cause: Cause.empty })))
}

/**
 * Logs a failure that no code handles, at `References.UnhandledLogLevel` and with the thread as annotations. The message
 * is logged in the step in which the effect runs.
 */
export const unhandled = (
  context: Context.Context<never>,
  { id, name }: Subject,
  text: string,
  cause: Cause.Cause<unknown> = Cause.empty
): Effect.Effect<void> => {
  const level = Context.get(context, References.UnhandledLogLevel)
  if (level === undefined) return Effect.void
  const annotations = {
    ...Context.get(context, References.CurrentLogAnnotations),
    "thread.id": id,
    "thread.name": name
  }
  const annotated = Context.add(context, References.CurrentLogAnnotations, annotations)
  return Effect.provideContext(writing({ level, parts: [text], cause }), annotated)
}

/** The same, after the current step. */
export const logUnhandled = (
  context: Context.Context<never>,
  subject: Subject,
  text: string,
  cause?: Cause.Cause<unknown>
): void => {
  Effect.runForkWith(context)(Effect.andThen(Effect.yieldNow, unhandled(context, subject, text, cause)))
}

const writing = (message: Message): Effect.Effect<void> => Effect.withFiberSucceed((fiber) => write(fiber, message))

const write = (fiber: Fiber.Fiber<unknown, unknown>, { cause, level, parts }: Message): void => {
  if (levels.indexOf(fiber.getRef(References.MinimumLogLevel)) > levels.indexOf(level)) return
  // Only `Logger.CurrentLoggers` has this key.
  const loggers = fiber.context.mapUnsafe.get(loggersKey) as ReadonlySet<Logger.Logger<unknown, unknown>> | undefined
  if (loggers === undefined) return print(fiber.getRef(Console.Console), level, [...parts, ...errorsOf(cause)])
  const date = new Date(fiber.getRef(Clock.Clock).currentTimeMillisUnsafe())
  for (const logger of loggers) logger.log({ cause, fiber, date, logLevel: level, message: parts })
}

const print = (console: Console.Console, level: Severity, parts: ReadonlyArray<unknown>): void => {
  if (level === "Error" || level === "Fatal") console.error(...parts)
  else if (level === "Warn") console.warn(...parts)
  else console.log(...parts)
}

const errorsOf = (cause: Cause.Cause<unknown>): ReadonlyArray<unknown> =>
  cause.reasons.flatMap((reason) => {
    if (reason._tag === "Interrupt") return []
    return [reason._tag === "Fail" ? reason.error : reason.defect]
  })
