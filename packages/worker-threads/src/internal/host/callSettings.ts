/** Checks the options of one call of a task. */
import { millisOf, readOr, textOf } from "@quiesce/core/internal"
import type * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as WorkerError from "../../WorkerError.ts"
import { wrongArgument } from "../wire/wrongArgument.ts"

/** The options that the calls of all pools have. */
export interface CallOptions {
  readonly name?: string | undefined
  readonly priority?: number | undefined
  readonly runWithin?: Duration.Input | undefined
}

/** `millis`: how long the task may run. */
export interface CallSettings {
  readonly priority: number
  readonly millis: number
}

export const noSettings: CallSettings = { priority: 0, millis: Infinity }

/** The settings of a call. `defaults` are those of its pool. */
export const settingsOf = (
  options: CallOptions | undefined,
  defaults: CallSettings
): CallSettings | WorkerError.WorkerError => {
  if (!canBeOptions(options)) return wrongArgument("options", options, "the options of a call, such as { signal }")
  const { name, priority = defaults.priority, runWithin } = options ?? {}
  if (name !== undefined && typeof name !== "string") return invalid("name", `${textOf(name)} is not a text`)
  if (!Number.isFinite(priority)) return invalid("priority", `${textOf(priority)} is not a number`)
  if (runWithin === undefined) return priority === defaults.priority ? defaults : { priority, millis: defaults.millis }
  const millis = limitOf("runWithin", runWithin)
  return typeof millis === "number" ? { priority, millis } : millis
}

/** Whether a value can be the options of a call. A signal in their place would be ignored, because it is an object, too. */
const canBeOptions = (u: unknown): boolean =>
  u === undefined || (typeof u === "object" && !readOr(() => u instanceof AbortSignal, false))

/** The milliseconds of a duration that can be waited for. */
export const limitOf = (option: string, given: Duration.Input): number | WorkerError.WorkerError => {
  const millis = Result.getOrElse(millisOf(given), () => NaN)
  if (millis > 0 && millis <= 0x7fffffff) return millis
  return invalid(option, `${textOf(given)} is not a duration that can be waited; give one such as "2 seconds"`)
}

const invalid = (option: string, problem: string): WorkerError.WorkerError =>
  WorkerError.make({ _tag: "InvalidOption", option, problem })
