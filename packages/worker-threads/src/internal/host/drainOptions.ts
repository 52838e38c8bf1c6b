/** Checks the options of a drain. */
import { textOf } from "@quiesce/core/internal"
import type * as Duration from "effect/Duration"
import * as WorkerError from "../../WorkerError.ts"
import { limitOf } from "./callSettings.ts"

export interface DrainOptions {
  readonly within?: Duration.Input | undefined
  readonly queued?: "finish" | "drop" | undefined
}

export interface DrainSettings {
  readonly millis: number
  readonly queued: "finish" | "drop"
}

export const drainSettings = (given: DrainOptions = {}): DrainSettings | WorkerError.WorkerError => {
  if (typeof given !== "object" || given === null) {
    const problem = `${textOf(given)} is not an object; give one such as { within: "10 seconds" }`
    return WorkerError.make({ _tag: "InvalidOption", option: "The options of the drain", problem })
  }
  const { queued = "finish", within } = given
  if (queued !== "finish" && queued !== "drop") {
    const problem = `${textOf(queued)} is neither "finish" nor "drop"`
    return WorkerError.make({ _tag: "InvalidOption", option: "queued", problem })
  }
  const millis = within === undefined ? Infinity : limitOf("within", within)
  return typeof millis === "number" ? { millis, queued } : millis
}
