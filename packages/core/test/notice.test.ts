import { describe, expect, it } from "@effect/vitest"
import { Lease, Thread } from "@quiesce/core"
import { Console, Context, Effect, Exit, Logger, References } from "effect"
import * as Notice from "../src/internal/notice.ts"
import { settle } from "./support.ts"

/** The messages of a logger, and the lines of a console, each with its level. */
const sinks = () => {
  const logged: Array<unknown> = []
  const printed: Array<unknown> = []
  const logger = Logger.make(({ cause, logLevel, message }) => void logged.push([logLevel, message, cause.reasons]))
  const console = {
    ...globalThis.console,
    warn: (...message: ReadonlyArray<unknown>) => void printed.push(["Warn", message]),
    error: (...message: ReadonlyArray<unknown>) => void printed.push(["Error", message])
  }
  return { logged, printed, logger, console: Context.make(Console.Console, console) }
}

describe("Notice.log", () => {
  it("finds the loggers under the key of Effect", () => {
    expect(Notice.loggersKey).toBe(Logger.CurrentLoggers.key)
  })

  it.effect("is received by the loggers of the context, as from Effect.logWarning", () =>
    Effect.gen(function* () {
      const { console, logged, logger, printed } = sinks()
      const context = Context.add(console, Logger.CurrentLoggers, new Set([logger]))
      yield* Effect.provideContext(Effect.logWarning("a", 1), context)
      Notice.log(context, "Warn", "a", 1)
      yield* settle
      expect(logged).toEqual([
        ["Warn", ["a", 1], []],
        ["Warn", ["a", 1], []]
      ])
      expect(printed).toEqual([])
    })
  )

  it.effect("is printed by the console without a logger", () =>
    Effect.gen(function* () {
      const { console, printed } = sinks()
      Notice.log(console, "Warn", "a", 1)
      Notice.log(console, "Error", "b", 2)
      yield* settle
      expect(printed).toEqual([
        ["Warn", ["a", 1]],
        ["Error", ["b", 2]]
      ])
    })
  )

  it.effect("is logged at the same minimum levels as Effect's own messages", () =>
    Effect.gen(function* () {
      for (const minimum of ["All", "Trace", "Debug", "Info", "Warn", "Error", "Fatal", "None"] as const) {
        const { console, logged, logger } = sinks()
        const context = console.pipe(
          Context.add(Logger.CurrentLoggers, new Set([logger])),
          Context.add(References.MinimumLogLevel, minimum)
        )
        yield* Effect.provideContext(Effect.andThen(Effect.logWarning("a"), Effect.logError("b")), context)
        const expected = [...logged]
        logged.length = 0
        Notice.log(context, "Warn", "a")
        Notice.log(context, "Error", "b")
        yield* settle
        expect(logged).toEqual(expected)
      }
    })
  )
})

describe("the rejection of a Promise that a release returned by mistake", () => {
  it.effect("is logged by the loggers around the lease", () =>
    Effect.gen(function* () {
      const { logged, logger } = sinks()
      const late = new Error("late")
      const exit = yield* Lease.acquire({
        name: "file",
        acquire: Effect.void,
        // The mistake of a caller without types.
        release: () => Promise.reject(late) as unknown as Effect.Effect<void>
      }).pipe(
        Effect.scoped,
        Thread.spawn,
        Effect.flatMap(Thread.await),
        Effect.scoped,
        Effect.provide(Logger.layer([logger]))
      )
      expect(Exit.isFailure(exit)).toBe(true)
      yield* settle
      expect(logged).toEqual([
        ["Error", [expect.stringMatching(/The release of lease "file" returned a Promise/), late], []]
      ])
    })
  )
})
