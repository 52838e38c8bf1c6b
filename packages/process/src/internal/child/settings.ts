/** The options of a child process, checked and with their defaults. */
import type * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import type { StandardCommand } from "effect/process/ChildProcess"
import type * as Escalation from "@quiesce/core/Escalation"
import { millisOf, textOf } from "@quiesce/core/internal"
import type { SpawnOptions } from "@quiesce/core/Thread"
import * as ProcessError from "../../ProcessError.ts"
import { numberOf, type Signal } from "../signals/signalName.ts"
import { isWindows } from "./member.ts"

/**
 * The options of a child process.
 *
 * - `name`: the name of the thread. Default: the name of the program
 * - `stop`, `interrupt`: the signal that is sent on the rung to the process group of the command, or `message` for a
 *   message with the reason to a child that runs on Node. Default: the `killSignal` of the command, or SIGTERM
 * - `drainWithin`: after the end of the process, the time for its descendants to end and to close its output. The rest is
 *   killed, and an output that is still open then is cut. Default: 1 second
 * - `escalation`: the rungs to climb at the end of the scope. Default: `interrupt` for 5 seconds or the `forceKillAfter` of
 *   the command, and `kill` for 5 seconds
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options extends SpawnOptions {
  readonly stop?: Signal | "message" | undefined
  readonly interrupt?: Signal | "message" | undefined
  readonly drainWithin?: Duration.Input | undefined
}

export interface Settings {
  readonly name: string
  readonly stop: Signal | "message"
  readonly interrupt: Signal | "message"
  readonly drainMillis: number
  readonly escalation: Escalation.Escalation
}

const defaultDrainMillis = 1000

/** Throws the error of an option that can't be used. `command` is the last of a pipeline. */
export const of = (options: Options | undefined, command: StandardCommand): Settings => {
  const { forceKillAfter, killSignal = "SIGTERM" } = command.options
  const interruptMillis = forceKillAfter === undefined ? "5 seconds" : millis("forceKillAfter", forceKillAfter)
  const signal = signalOf("killSignal", killSignal)
  return {
    name: options?.name ?? command.command.split(/[/\\]/).at(-1)!,
    stop: wayOf("stop", options?.stop ?? signal),
    interrupt: wayOf("interrupt", options?.interrupt ?? signal),
    drainMillis: options?.drainWithin === undefined ? defaultDrainMillis : millis("drainWithin", options.drainWithin),
    escalation: options?.escalation ?? { interrupt: interruptMillis, kill: "5 seconds" }
  }
}

const wayOf = (option: string, given: Signal | "message"): Signal | "message" => {
  if (given !== "message") return signalOf(option, given)
  if (isWindows) throw invalid(option, `Windows has no pipe for messages to a command of Effect. Name a signal instead`)
  return given
}

const signalOf = (option: string, given: unknown): Signal => {
  if (typeof given === "string" && numberOf(given as Signal) !== undefined) return given as Signal
  throw invalid(
    option,
    `${textOf(given)} is not a signal of this platform. Use names such as "SIGTERM"${option === "killSignal" ? "" : `, or "message"`}`
  )
}

const millis = (option: string, given: Duration.Input): number => {
  const parsed = millisOf(given)
  if (Result.isSuccess(parsed)) return parsed.success
  throw invalid(option, `${textOf(given)} can't be used, because ${parsed.failure}`)
}

const invalid = (option: string, problem: string): ProcessError.ProcessError =>
  ProcessError.make({ _tag: "InvalidOption", option, problem })
