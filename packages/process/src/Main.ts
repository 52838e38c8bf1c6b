/**
 * The main program of a process, which ends well: a signal becomes a reason, the finalizers run within a budget, the output
 * is written whole, and the exit code is the one that a shell expects.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Blocking from "@quiesce/core/Blocking"
import { textOf } from "@quiesce/core/internal"
import * as Thread from "@quiesce/core/Thread"
import * as ThreadDump from "@quiesce/core/ThreadDump"
import * as AbortOnSignal from "./internal/main/abortOnSignal.ts"
import * as ExitCode from "./internal/main/exitCode.ts"
import * as InitNotice from "./internal/main/initNotice.ts"
import type { Options } from "./internal/main/options.ts"
import * as Places from "./internal/main/places.ts"
import { Program } from "./internal/main/program.ts"
import * as Sections from "./internal/main/sections.ts"
import * as Settings from "./internal/main/settings.ts"
import * as Owner from "./internal/signals/owner.ts"
import { wrongArgument } from "./internal/wrongArgument.ts"
import * as ProcessError from "./ProcessError.ts"

export type { Options } from "./internal/main/options.ts"

/**
 * The exit code of a program: 0 after a success, the `Runtime.errorExitCode` of an error or otherwise 1, 128 + n after the end
 * by a signal with the number n, and 130 after another interruption. A program that ends by itself after a signal, with a
 * value, has the code 0.
 *
 * @stability unstable
 * @category teardown
 * @since 0.1.0
 */
export const defaultTeardown: Runtime.Teardown = (exit, onExit) => {
  if (!Exit.isExit(exit)) throw wrongArgument("Main.defaultTeardown's exit", exit, "an Exit")
  if (typeof onExit !== "function") throw wrongArgument("Main.defaultTeardown's onExit", onExit, "a function")
  return ExitCode.teardown(exit, onExit)
}

/**
 * Runs an effect as the main program of the process, as a thread. The process stays alive until the thread has ended.
 *
 * - The first signal ends the thread, with a `Shutdown` reason that names the signal. A second signal goes up a rung at
 *   once and names the threads in the way. A third signal ends the process.
 * - SIGUSR2 prints the threads of the process on stderr, with their leases and the stacks of busy workers.
 * - Signals of one kind that follow each other within 100 ms count once, because wrappers forward them.
 * - An uncaught exception or an unhandled rejection ends the program as a failure, and the finalizers run.
 * - A program that has not ended within the budget is given up. Its remaining leases are released first.
 * - The process exits when stdout and stderr are written, after a request to end within two seconds, otherwise within a
 *   minute. After a success without a request, the process ends when nothing keeps it alive, like every program of
 *   Node. If the process is still alive after the time of the budget, stderr names the handles that keep it alive.
 * - A worker that can't be ended, such as one in native code, does not hold up the exit. On Windows it does.
 *
 * The environment variable `QUIESCE_TIMELINE` names a file for a timeline of the program, which is written after its end: a
 * picture (`.svg`), a trace for Perfetto (`.json`) or a text (`.txt`). In the name, `%p` is the number of the process.
 *
 * Throws a `ProcessError` for an unusable option, in a worker thread, and if another program runs. Nothing has run then.
 *
 * *Gotchas*: while the main thread is busy in synchronous code outside any section, the process handles no signal. `budget`
 * also limits the finalizers of a program that has ended by itself, if they belong to its thread and not to a scope inside the
 * effect.
 *
 * ```ts
 * import { Main } from "@quiesce/process"
 * import { Console, Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   yield* Effect.addFinalizer(() => Console.log("cleaned up"))
 *   yield* Console.log("press Ctrl-C")
 *   yield* Effect.never
 * })
 *
 * program.pipe(Main.run)
 * ```
 *
 * @stability unstable
 * @category runners
 * @since 0.1.0
 */
export const run: {
  (options?: Options): <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => void
  <A, E>(effect: Effect.Effect<A, E, Scope.Scope>, options?: Options): void
} = ((...args: ReadonlyArray<unknown>) => {
  // An effect that is missing before its options is no piped call.
  if (Effect.isEffect(args[0]) || args.length > 1) return start(args[0], args[1])
  // The options are checked now, because a promise in their place would just be ignored.
  Settings.of(args[0])
  return (effect: unknown) => start(effect, args[0])
  // The signatures say which of both is returned.
}) as never

const start = (given: unknown, options: unknown): void => {
  if (!Effect.isEffect(given)) throw ProcessError.make({ _tag: "NotAnEffect", given: textOf(given) })
  const settings = Settings.of(options)
  const program = new Program(settings, Owner.claim("Main.run", `Main.run of "${settings.name}"`))
  InitNotice.print(settings.name)
  ThreadDump.expose()
  if (Places.isOn) Places.track()
  // The signatures of `run` say that the effect needs a scope at most.
  const effect = Effect.onExit(given as Effect.Effect<unknown, unknown, Scope.Scope>, () =>
    Effect.sync(() => program.finishing())
  )
  const main = Effect.gen(function* () {
    yield* program.record
    if (Places.isOn) yield* ThreadDump.trackPlaces
    const thread = yield* Thread.spawn(settings.breaksOnSigint ? endableByCtrlC(effect, program) : effect, {
      name: settings.name
    })
    program.started(thread)
    return yield* program.exit(yield* Thread.await(thread))
  })
  const runMain = Runtime.makeRunMain(({ fiber, teardown }) =>
    fiber.addObserver((exit) => program.ended(exit, teardown))
  )
  // The program reports its own errors, because it has reported uncaught exceptions before.
  runMain(Effect.scoped(main), { teardown: settings.teardown, disableErrorReporting: true })
}

const endableByCtrlC = <A, E, R>(effect: Effect.Effect<A, E, R>, program: Program): Effect.Effect<A, E, R> =>
  Effect.provideService(
    effect,
    Blocking.CurrentRunner,
    Sections.runner(() => program.interruptedSection())
  )

/**
 * An AbortSignal for programs without Effect, which aborts at the first signal of the process. Its reason is a `CancelError`
 * with a `Shutdown` that names the signal. The second signal names the threads in the way, and the third ends the process;
 * with `onSecondSignal: "exit"` the second does. Dispose the AbortSignal when the program is over. The signals then have
 * their default actions again.
 *
 * The first signal also sets `process.exitCode` to 128 + n, unless the program has set a code. A program that ends well in
 * spite of the signal sets 0 before its end. A worker that can't be ended does not hold up the exit, but for Windows. Throws a
 * `ProcessError` as `run` does.
 *
 * ```ts
 * import { setTimeout } from "node:timers/promises"
 * import { Main } from "@quiesce/process"
 *
 * const signal = Main.abortSignal()
 * await setTimeout(1000, undefined, { signal }).catch(() => console.log(`ended early: ${signal.reason.message}`))
 * signal[Symbol.dispose]()
 * ```
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const abortSignal = (options?: Pick<Options, "signals" | "onSecondSignal">): AbortSignal & Disposable => {
  const signals = Settings.signalsOf(options)
  ThreadDump.expose()
  const onSecondSignal = Settings.oneOf("onSecondSignal", options?.onSecondSignal ?? "climb", ["climb", "exit"])
  return AbortOnSignal.make(signals, onSecondSignal, Owner.claim("Main.abortSignal", "Main.abortSignal"))
}
