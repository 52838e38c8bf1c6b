/** The options of a program, checked and with their defaults. */
import type * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import type * as Runtime from "effect/Runtime"
import { isatty } from "node:tty"
import * as Escalation from "@quiesce/core/Escalation"
import { millisOf, textOf } from "@quiesce/core/internal"
import * as ProcessError from "../../ProcessError.ts"
import type { Kind } from "../output/statusLine.ts"
import * as ExitCode from "./exitCode.ts"
import type { Options } from "./options.ts"
import * as TimelineFile from "./timelineFile.ts"
import { endings, type Signal } from "../signals/signalName.ts"
import { problemOf } from "../signals/signalProblem.ts"

export interface Settings {
  readonly name: string
  readonly signals: ReadonlyArray<Signal>
  readonly onSecondSignal: "climb" | "exit"
  readonly ladder: Ladder
  readonly progress: Kind
  readonly followsParent: boolean
  readonly reraises: boolean
  readonly breaksOnSigint: boolean
  readonly dumpSignals: ReadonlyArray<Signal>
  readonly reportsErrors: boolean
  readonly teardown: Runtime.Teardown
  /** Undefined unless the environment asks for a timeline. */
  readonly timeline: TimelineFile.TimelineFile | undefined
}

/** The rungs to climb. `millis` is the time for all of them, and `reserve` the time for the remaining releases after it. */
export interface Ladder {
  readonly steps: ReadonlyArray<Escalation.Step>
  readonly millis: number
  readonly reserve: number
}

/** Together with the reserve less than the ten seconds of `docker stop`. */
const defaultEscalation: Escalation.Escalation = {
  interrupt: "5 seconds",
  unwind: "1 second",
  kill: "1 second"
}

const defaultBudget = 8000

/** The time for the remaining releases of a program that is given up, and the part of a short budget. */
const reserveMillis = 1000
const reserveShare = 1 / 8

export const of = (given: unknown): Settings => {
  const options = checked(given)
  const { name = "program", onSecondSignal = "climb", parentExit = "auto", progress = "auto" } = options ?? {}
  if (typeof name !== "string") throw invalid("name", `it is ${textOf(name)}. Give a text`)
  return {
    name,
    signals: signalsOf(options),
    onSecondSignal: oneOf("onSecondSignal", onSecondSignal, ["climb", "exit"]),
    ladder: ladderOf(options?.escalation, options?.budget),
    progress: oneOf("progress", progress, ["auto", "lines", "none"]),
    followsParent: follows(oneOf("parentExit", parentExit, ["auto", "end", "ignore"])),
    reraises: flag("reraise", options?.reraise, false),
    breaksOnSigint: flag("breakOnSigint", options?.breakOnSigint, true),
    dumpSignals: dumpSignalsOf(options?.dumpSignal, signalsOf(options)),
    teardown: teardownOf(options?.teardown),
    timeline: TimelineFile.requested(),
    reportsErrors: !flag("disableErrorReporting", options?.disableErrorReporting, false)
  }
}

/** The signals of the options of a program or of an AbortSignal. */
export const signalsOf = (options: Pick<Options, "signals"> | undefined): ReadonlyArray<Signal> => {
  const signals = options?.signals ?? endings
  if (!Array.isArray(signals)) throw invalid("signals", `it is ${textOf(signals)}. Give an array such as ["SIGTERM"]`)
  for (const signal of signals) {
    const problem = problemOf(signal)
    if (problem !== undefined) throw invalid("signals", problem)
  }
  return [...new Set<Signal>(signals)]
}

/** A signal that ends the program prints nothing. */
const dumpSignalsOf = (given: Options["dumpSignal"], ending: ReadonlyArray<Signal>): ReadonlyArray<Signal> => {
  if (given === "none") return []
  const signal = given ?? "SIGUSR2"
  const problem = problemOf(signal)
  if (problem !== undefined) throw invalid("dumpSignal", problem)
  return ending.includes(signal) ? [] : [signal]
}

export const oneOf = <A extends string>(option: string, given: A, known: ReadonlyArray<A>): A => {
  if (known.includes(given)) return given
  throw invalid(option, `it is ${textOf(given)}. Give one of ${known.map((each) => `"${each}"`).join(", ")}`)
}

const flag = (option: string, given: boolean | undefined, otherwise: boolean): boolean => {
  if (given === undefined) return otherwise
  if (typeof given === "boolean") return given
  throw invalid(option, `it is ${textOf(given)}. Give true or false`)
}

const teardownOf = (given: Runtime.Teardown | undefined): Runtime.Teardown => {
  if (given === undefined || typeof given === "function") return given ?? ExitCode.teardown
  throw invalid("teardown", `it is ${textOf(given)}. Give a function such as Main.defaultTeardown`)
}

/** A promise in the place of options is a program that was called too early. */
const checked = (options: unknown): Options | undefined => {
  if (options === undefined) return undefined
  if (typeof options !== "object" || options === null || "then" in options)
    throw ProcessError.make({ _tag: "NotAnEffect", given: textOf(options) })
  // Each option is checked by itself.
  return options
}

const invalid = (option: string, problem: string): ProcessError.ProcessError =>
  ProcessError.make({ _tag: "InvalidOption", option: `Main's ${option}`, problem })

const ladderOf = (given: Escalation.Escalation | undefined, budget: Duration.Input | undefined): Ladder => {
  const parsed = Escalation.steps(given ?? defaultEscalation)
  if (Result.isFailure(parsed)) throw invalid("escalation", parsed.failure.message.replace(/\.$/, ""))
  const steps = withInterrupt(parsed.success)
  const sum = steps.reduce((total, { grace }) => total + grace, 0)
  const limit = budget === undefined ? defaultLimit(given, sum) : budgetOf(budget)
  if (limit === Infinity) return { steps, millis: sum, reserve: reserveMillis }
  const reserve = Math.min(reserveMillis, limit * reserveShare)
  return { steps: fit(steps, limit - reserve), millis: limit - reserve, reserve }
}

/** A program has no rung by force. If it has no other rung, it is interrupted at once, before the rungs of its tasks. */
const withInterrupt = (steps: ReadonlyArray<Escalation.Step>): ReadonlyArray<Escalation.Step> =>
  steps.some(({ rung }) => rung === "stop" || rung === "interrupt")
    ? steps
    : [{ rung: "interrupt", grace: 0 }, ...steps]

/** An escalation with an end is its own budget. */
const defaultLimit = (given: Escalation.Escalation | undefined, sum: number): number =>
  given === undefined || sum === Infinity ? defaultBudget : sum + reserveMillis

const budgetOf = (budget: Duration.Input): number => {
  const millis = millisOf(budget)
  if (Result.isSuccess(millis)) return millis.success
  throw invalid("budget", `it is ${textOf(budget)}: ${millis.failure}. Give a time such as "8 seconds"`)
}

/** Shortens all graces in proportion. A grace without limit counts as the whole time. */
const fit = (steps: ReadonlyArray<Escalation.Step>, millis: number): ReadonlyArray<Escalation.Step> => {
  const graces = steps.map(({ grace }) => Math.min(grace, millis))
  const sum = graces.reduce((total, grace) => total + grace, 0)
  const share = sum > millis ? millis / sum : 1
  return steps.map(({ rung }, index) => ({ rung, grace: graces[index]! * share }))
}

const standardStreams = [0, 1, 2]

const follows = (parentExit: "auto" | "end" | "ignore"): boolean =>
  parentExit === "end" || (parentExit === "auto" && standardStreams.some((descriptor) => isatty(descriptor)))
