/** Checks the options of a pool before any worker is started. A bad option is refused by name. */
import { availableParallelism } from "node:os"
import type { Worker, WorkerOptions } from "node:worker_threads"
import * as Escalation from "@quiesce/core/Escalation"
import { millisOf, textOf } from "@quiesce/core/internal"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as WorkerError from "../../WorkerError.ts"
import type { Handler } from "../leases/declaredLease.ts"
import { limitOf } from "./callSettings.ts"
import { isCount, sizeOf } from "./poolSize.ts"
import { type RecycleLimits, type RecycleOptions, recycleLimits } from "./recycleOptions.ts"

/**
 * How a pool is made.
 *
 * - `spawn` starts a worker with the given options and may add its own: `(options) => new Worker(new
 *   URL("./tasks.worker.ts", import.meta.url), options)`
 * - `size`: the number of workers, or a minimum, a maximum and the idle time after which surplus workers end (default:
 *   one worker for each available core; idle for 10 seconds)
 * - `startWithin`: how long a worker may take until it is ready (default: 30 seconds). A slower worker is ended and
 *   counts as a failed start.
 * - `concurrency`: how many tasks a worker runs at a time (default 1)
 * - `queue`: how many tasks may wait beyond those that workers run or are being started for, and whether a further call
 *   waits or fails with `QueueFull` (default: no bound)
 * - `runWithin`: how long a task may run, from the start of the run, if its call has no limit of its own (default: no limit)
 * - `escalation`: the escalation of a task that is ended without one (default: `interrupt` for one second, `unwind` for
 *   three seconds, then `kill`)
 * - `busy`: after which time a worker that takes no message is named, with its stack, by a warning in the log (default: never).
 *   Code that gives its event loop no turn keeps a worker from taking messages.
 * - `recycle`: when a worker is replaced, by whichever limit comes first (default: never). `tasks`: how many tasks a worker
 *   takes at most, unless more broadcasts wait for that worker. `age`: the time since the worker was ready. `heap`: the
 *   bytes of its heap, counted each second. The replacement starts first, and one worker after the other is replaced.
 *   The old worker finishes its tasks. A pool has one worker more than its maximum meanwhile.
 * - `name`: the name of the pool in metrics; pools of one name are counted together (default: `pool`)
 * - `hostLeases`: the leases that workers may ask this thread to acquire and keep (default: none)
 */
export interface Options {
  readonly spawn: (options: WorkerOptions) => Worker
  readonly size?:
    | number
    | { readonly min: number; readonly max: number; readonly idle?: Duration.Input | undefined }
    | undefined
  readonly startWithin?: Duration.Input | undefined
  readonly concurrency?: number | undefined
  readonly queue?: { readonly bound: number; readonly whenFull: "wait" | "fail" } | undefined
  readonly runWithin?: Duration.Input | undefined
  readonly escalation?: Escalation.Escalation | undefined
  readonly busy?: { readonly after: Duration.Input } | undefined
  readonly recycle?: RecycleOptions | undefined
  readonly name?: string | undefined
  readonly hostLeases?: ReadonlyArray<Handler> | undefined
}

export interface Parsed {
  readonly min: number
  readonly max: number
  readonly idleMillis: number
  readonly concurrency: number
  readonly startMillis: number
  readonly bound: number
  readonly whenFull: "wait" | "fail"
  readonly name: string
  /** How long a task may run. */
  readonly runMillis: number
  /** The time after which a blocked worker is named. */
  readonly busyMillis: number
  readonly recycle: RecycleLimits
}

export const parse = (options: Options): Effect.Effect<Parsed> =>
  typeof options === "object" && options !== null
    ? parseAll(options)
    : invalid(
        "The options",
        `${textOf(options)} is not an object; give { spawn: (options) => new Worker(url, options) }`
      )

const parseAll = (options: Options): Effect.Effect<Parsed> =>
  Effect.gen(function* () {
    const { concurrency = 1, queue, escalation, spawn } = options
    const bound = queue?.bound ?? Infinity
    const startMillis = limitOf("startWithin", options.startWithin ?? "30 seconds")
    if (typeof startMillis !== "number") return yield* Effect.die(startMillis)
    if (typeof spawn !== "function") {
      return yield* invalid("spawn", `${textOf(spawn)} is not a function; give (options) => new Worker(url, options)`)
    }
    const size = yield* sizeFrom(options.size)
    if (!isCount(concurrency, 1)) {
      return yield* invalid("concurrency", `${textOf(concurrency)} is not a number of tasks, which is at least 1`)
    }
    if (queue !== undefined && (typeof queue !== "object" || queue === null || queue.bound === undefined)) {
      return yield* invalid("queue", `${textOf(queue)} has no bound; give one such as { bound: 100, whenFull: "fail" }`)
    }
    if (bound !== Infinity && !isCount(bound, 0)) {
      return yield* invalid("queue.bound", `${textOf(bound)} is not a number of tasks that wait, which is at least 0`)
    }
    const whenFull = queue?.whenFull ?? "wait"
    if (whenFull !== "wait" && whenFull !== "fail") {
      return yield* invalid("queue.whenFull", `${textOf(whenFull)} is neither "wait" nor "fail"`)
    }
    const runMillis = options.runWithin === undefined ? Infinity : limitOf("runWithin", options.runWithin)
    if (typeof runMillis !== "number") return yield* Effect.die(runMillis)
    const busyMillis = yield* busyOf(options.busy)
    const recycle = recycleLimits(options.recycle)
    if (recycle instanceof WorkerError.WorkerError) return yield* Effect.die(recycle)
    const steps = escalation === undefined ? undefined : Escalation.steps(escalation)
    if (steps !== undefined && Result.isFailure(steps)) return yield* invalid("escalation", steps.failure.message)
    const name: unknown = options.name ?? "pool"
    if (typeof name !== "string")
      return yield* invalid("name", `${textOf(name)} is not a text; give one such as "images"`)
    const wrong = wrongHandlers(options.hostLeases ?? [])
    if (wrong !== undefined) return yield* invalid("hostLeases", wrong)
    return { ...size, concurrency, startMillis, bound, whenFull, runMillis, busyMillis, recycle, name }
  })

/** The problem with the handlers, if there is one. */
const wrongHandlers = (handlers: ReadonlyArray<Handler>): string | undefined => {
  if (!Array.isArray(handlers)) return `${textOf(handlers)} is not a list; give [HostLease.handler(lease, acquire)]`
  const wrong = handlers.findIndex((handler: Partial<Handler> | null) => typeof handler?.acquire !== "function")
  if (wrong >= 0)
    return `${textOf(handlers[wrong])} at index ${wrong} is not a handler; give HostLease.handler(lease, acquire)`
  const names = handlers.map(({ name }: Handler) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  return twice === undefined ? undefined : `"${twice}" has two handlers`
}

const busyOf = (busy: Options["busy"]): Effect.Effect<number> => {
  if (busy === undefined) return Effect.succeed(Infinity)
  if (typeof busy !== "object" || busy === null) {
    return invalid("busy", `${textOf(busy)} has no time; give one such as { after: "1 minute" }`)
  }
  const millis = limitOf("busy.after", busy.after)
  return typeof millis === "number" ? Effect.succeed(millis) : Effect.die(millis)
}

type Size = Pick<Parsed, "min" | "max" | "idleMillis">

const sizeFrom = (size: Options["size"] = availableParallelism()): Effect.Effect<Size> => {
  if (typeof size !== "number" && (typeof size !== "object" || size === null)) {
    return invalid("size", `${textOf(size)} is not a number of workers; give one such as 4, or { min: 0, max: 4 }`)
  }
  const checked = sizeOf(typeof size === "number" ? { min: size, max: size } : size)
  if (checked instanceof WorkerError.WorkerError) return Effect.die(checked)
  const idle = typeof size === "number" ? undefined : size.idle
  const idleMillis = millisOf(idle ?? "10 seconds")
  if (Result.isFailure(idleMillis)) {
    return invalid("size.idle", `${textOf(idle)} is not a duration; give one such as "10 seconds"`)
  }
  return Effect.succeed({ ...checked, idleMillis: idleMillis.success })
}

const invalid = (option: string, problem: string): Effect.Effect<never> =>
  Effect.die(WorkerError.make({ _tag: "InvalidOption", option, problem }))
