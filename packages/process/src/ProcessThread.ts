/**
 * Child processes as threads: a command starts in a scope, and ends with it, together with all its descendants.
 *
 * The commands and their spawner are those of Effect (`effect/process`). Effect starts the processes, resolves folders
 * and environments, and turns the pipes into streams. Beside it, this module does the following:
 *
 * - The ladder. Effect's scope waits without a limit for a child that ignores SIGTERM, unless `forceKillAfter` is set, and
 *   its `kill` sends a signal and waits for the end in one. Here a rung only asks, and the next rung comes by itself.
 * - Descendants. Effect ends the process group. Descendants that have left it are found by a mark in their environment,
 *   where the system shows environments (Linux), and a pid is signaled only if the process still has the start time that
 *   it was found with.
 * - The end of this process by SIGKILL. A small shell, one for all children, ends them (Linux: all descendants; macOS: the
 *   process groups; Windows: none).
 * - The exit. Effect fails with an untyped error after the end by a signal. Here a signal is a value.
 * - Outputs. Effect's streams end when the last process with the pipe ends, and hold it up without a reader. Here the end
 *   of the process is followed by the end of its outputs, within a limit.
 * - Messages with the reason to a child on Node. Effect makes no channel for them.
 * - The members of a pipeline are started one by one, because Effect's handle has the exit of the last one only.
 *
 * | promise | Linux | macOS | Windows |
 * | --- | --- | --- | --- |
 * | the process group ends with the thread | yes | yes | the tree, while its root runs |
 * | descendants that left the group or the session end, too | yes, unless they cleared their environment and left their parents | no | no |
 * | all of them end after SIGKILL of this process | yes, where `/bin/sh` and `grep` are | the groups | no |
 * | `stop` and `interrupt` by a signal of choice | yes | yes | every signal is a kill |
 * | `stop` and `interrupt` by a message | yes | yes | no |
 *
 * @since 0.1.0
 */
import { dual } from "effect/Function"
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { isObject, isString } from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as ThreadAdapter from "@quiesce/core/adapter"
import * as Thread from "@quiesce/core/Thread"
import { ChildThread, promises as platformPromises } from "./internal/child/childThread.ts"
import * as Pipeline from "./internal/child/pipeline.ts"
import * as Settings from "./internal/child/settings.ts"
import * as Started from "./internal/child/started.ts"
import { wrongArgument } from "./internal/wrongArgument.ts"
import * as ProcessError from "./ProcessError.ts"

export type { Request } from "./internal/child/channel.ts"
export type { Options } from "./internal/child/settings.ts"

/**
 * A command as a thread. Its value is the exit of the process: a code other than 0 is a value, too.
 *
 * - `pid`: the number of the process; of a pipeline, that of the last process
 * - `stdin`: takes the input. A sink that ends closes the input
 * - `stdout`, `stderr`: the outputs. A reader that does not read holds the process up, but never its end. Two readers
 * of one
 *   output share its bytes
 * - `all`: both outputs as they arrive
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ProcessThread extends Thread.Thread<ProcessError.ProcessExit, ProcessError.ProcessError> {
  readonly pid: number
  readonly stdin: Sink.Sink<void, Uint8Array, never, ProcessError.ProcessError>
  readonly stdout: Stream.Stream<Uint8Array, ProcessError.ProcessError>
  readonly stderr: Stream.Stream<Uint8Array, ProcessError.ProcessError>
  readonly all: Stream.Stream<Uint8Array, ProcessError.ProcessError>
}

/**
 * Starts a command as a thread in the current scope.
 *
 * - `stop` and `interrupt` send their signals, or messages, to the process group of the command. An interrupted thread
 *   ends with its reason, at any exit of the process. A thread that was asked to stop ends with the exit of the process.
 * - `kill` ends the command and all its descendants by SIGKILL.
 * - After the end of the process, its descendants have `drainWithin` to end and to close the outputs. The rest is
 *   killed.
 *
 * Fails with `SpawnFailed` if the command can't be started. Dies with `InvalidOption` for an option that can't be used.
 *
 * *Cancellation*: either no process exists, or the thread is in its scope and ends with the scope.
 *
 * ```ts
 * import { ProcessThread } from "@quiesce/process"
 * import { Thread } from "@quiesce/core"
 * import { Effect } from "effect"
 * import { ChildProcess } from "effect/process"
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* ProcessThread.spawn(ChildProcess.make("sleep", ["60"]))
 *   return yield* Thread.shutdown(thread, { escalation: { interrupt: "1 second", kill: "1 second" } })
 * }).pipe(Effect.scoped)
 * ```
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const spawn: {
  (
    options?: Settings.Options
  ): (
    command: ChildProcess.Command
  ) => Effect.Effect<ProcessThread, ProcessError.ProcessError, ChildProcessSpawner | Scope.Scope>
  (
    command: ChildProcess.Command,
    options?: Settings.Options
  ): Effect.Effect<ProcessThread, ProcessError.ProcessError, ChildProcessSpawner | Scope.Scope>
} = /* @__PURE__ */ dual(
  (args) => ChildProcess.isCommand(args[0]),
  (command: ChildProcess.Command, options?: Settings.Options) =>
    Effect.suspend(() => {
      if (!ChildProcess.isCommand(command))
        return Effect.die(wrongArgument("ProcessThread.spawn's command", command, aCommand))
      const parts = Pipeline.partsOf(command)
      const words = parts.flatMap(({ command: { args, command } }) => [command, ...args])
      if (!words.every(isString)) return Effect.die(wrongArgument("ProcessThread.spawn's command", words, allTexts))
      if (options !== undefined && !isObject(options))
        return Effect.die(wrongArgument("ProcessThread.spawn's options", options, anObject))
      // A command has at least one part.
      const last = parts.at(-1)!.command
      const settings = Settings.of(options, last)
      const hasChannel = settings.stop === "message" || settings.interrupt === "message"
      let child: ChildThread | undefined
      const spawned = ThreadAdapter.spawn<
        ProcessError.ProcessExit,
        ProcessError.ProcessError,
        ProcessError.ProcessError,
        ChildProcessSpawner
      >(
        (thread) =>
          Effect.map(
            Started.start(command, hasChannel),
            (started) => (child = new ChildThread(thread, started, settings))
          ),
        { ...options, name: settings.name, escalation: settings.escalation }
      )
      return Effect.map(spawned, (thread) => handleOf(thread, child))
    })
)

const allTexts = "a program and arguments that are all texts"

const anObject = 'an object such as { stop: "SIGINT" }'

const aCommand = 'a command; make one with ChildProcess.make("node", ["main.js"])'

/** Adds the process to the thread's own object, which is the thread for all of core. */
const handleOf = (
  thread: Thread.Thread<ProcessError.ProcessExit, ProcessError.ProcessError>,
  child: ChildThread | undefined
): ProcessThread => {
  // In a closed scope the thread has ended before the command was started.
  const stdout = child?.stdout.stream ?? Stream.empty
  const stderr = child?.stderr.stream ?? Stream.empty
  return Object.assign(thread, {
    pid: child?.pid ?? 0,
    stdin: child?.stdin ?? Sink.drain,
    stdout,
    stderr,
    all: Stream.merge(stdout, stderr)
  })
}

/**
 * Waits for a process and fails with `NonZeroExit` unless it has ended with the code 0.
 *
 * *Cancellation*: only the wait ends.
 *
 * @stability unstable
 * @category joining
 * @since 0.1.0
 */
export const expectSuccess = (self: ProcessThread): Effect.Effect<void, ProcessError.ProcessError> =>
  Effect.flatMap(Thread.join(self), (exit) =>
    exit._tag === "Exited" && exit.code === 0
      ? Effect.void
      : Effect.fail(ProcessError.make({ _tag: "NonZeroExit", command: self.name, exit }))
  )

/**
 * Ends an output where it was cut, in place of the error `OutputCut`: the result has the output so far.
 *
 * @stability unstable
 * @category outputs
 * @since 0.1.0
 */
export const untilCut = <A, R>(
  output: Stream.Stream<A, ProcessError.ProcessError, R>
): Stream.Stream<A, ProcessError.ProcessError, R> =>
  Stream.isStream(output)
    ? Stream.catchIf(
        output,
        (error) => error.reason._tag === "OutputCut",
        () => Stream.empty
      )
    : Stream.die(wrongArgument("ProcessThread.untilCut's output", output, "a Stream; give thread.stdout"))

/**
 * The promises that this platform keeps for the processes of this process.
 *
 * - `escapees`: descendants that have left the group of a command end with it
 * - `parentKilled`: the children end after this process was killed by SIGKILL. True from the first spawn on
 * - `messages`: `stop` and `interrupt` may be messages
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const promises: Effect.Effect<{
  readonly escapees: boolean
  readonly parentKilled: boolean
  readonly messages: boolean
}> = /* @__PURE__ */ Effect.sync(platformPromises)
