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

export const drainSettings = ({ queued = "finish", within }: DrainOptions = {}):
  | DrainSettings
  | WorkerError.WorkerError => {
  if (queued !== "finish" && queued !== "drop") {
    const problem = `${textOf(queued)} is neither "finish" nor "drop"`
    return WorkerError.make({ _tag: "InvalidOption", option: "queued", problem })
  }
  const millis = within === undefined ? Infinity : limitOf("within", within)
  return typeof millis === "number" ? { millis, queued } : millis
}
