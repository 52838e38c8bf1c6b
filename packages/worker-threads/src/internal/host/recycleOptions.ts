/** Checks when the workers of a pool are replaced. */
import { textOf } from "@quiesce/core/internal"
import type * as Duration from "effect/Duration"
import * as WorkerError from "../../WorkerError.ts"
import { limitOf } from "./callSettings.ts"

/**
 * When a worker is replaced by a new one: after so many tasks, after so much time, or when its heap has so many bytes.
 * Each is without a limit by default.
 */
export interface RecycleOptions {
  readonly tasks?: number | undefined
  readonly age?: Duration.Input | undefined
  readonly heap?: number | undefined
}

/** The limit that a worker has reached. */
export type RecycleCause = "tasks" | "age" | "heap"

/** Infinite where there is no limit. */
export interface RecycleLimits {
  readonly tasks: number
  readonly ageMillis: number
  readonly heapBytes: number
}

export const neverRecycle: RecycleLimits = { tasks: Infinity, ageMillis: Infinity, heapBytes: Infinity }

/** No worker has a smaller heap. A smaller number is meant in another unit. */
const leastHeap = 2 ** 20

export const recycleLimits = (options: RecycleOptions | undefined): RecycleLimits | WorkerError.WorkerError => {
  if (options === undefined) return neverRecycle
  if (typeof options !== "object" || options === null) {
    return invalid("recycle", `${textOf(options)} has no limit; give one such as { tasks: 1000 }`)
  }
  const { age, heap, tasks } = options
  if (tasks !== undefined && !(Number.isSafeInteger(tasks) && tasks >= 1)) {
    return invalid("recycle.tasks", `${textOf(tasks)} is not a number of tasks, which is at least 1`)
  }
  if (heap !== undefined && !(Number.isFinite(heap) && heap >= leastHeap)) {
    const example = "256 * 1024 * 1024 for 256 MiB"
    return invalid("recycle.heap", `${textOf(heap)} is not a number of bytes, which is at least 1 MiB; give ${example}`)
  }
  const ageMillis = age === undefined ? Infinity : limitOf("recycle.age", age)
  if (typeof ageMillis !== "number") return ageMillis
  return { tasks: tasks ?? Infinity, ageMillis, heapBytes: heap ?? Infinity }
}

const invalid = (option: string, problem: string): WorkerError.WorkerError =>
  WorkerError.make({ _tag: "InvalidOption", option, problem })
