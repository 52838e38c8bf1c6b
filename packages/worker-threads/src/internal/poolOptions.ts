/** The options of a pool, checked: what can't be used as given is refused by name, before any worker is started. */
import { availableParallelism } from "node:os"
import * as Escalation from "@quiesce/core/Escalation"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { Options } from "../WorkerPool.ts"
import * as WorkerError from "../WorkerError.ts"

export interface Parsed {
  readonly min: number
  readonly max: number
  readonly idleMillis: number
  readonly concurrency: number
  readonly startMillis: number
  readonly bound: number
  readonly whenFull: "wait" | "fail"
}

export const parse = (options: Options): Effect.Effect<Parsed, WorkerError.WorkerError> =>
  Effect.suspend(() => {
    const { size = availableParallelism(), concurrency = 1, queue, escalation } = options
    const { min, max, idle } = typeof size === "number" ? { min: size, max: size, idle: undefined } : size
    const idleMillis = Option.match(Duration.fromInput(idle ?? "10 seconds"), {
      onNone: () => NaN,
      onSome: Duration.toMillis
    })
    const startMillis = Option.match(Duration.fromInput(options.startWithin ?? "30 seconds"), {
      onNone: () => NaN,
      onSome: Duration.toMillis
    })
    const bound = queue?.bound ?? Infinity
    const steps = escalation === undefined ? undefined : Escalation.steps(escalation)
    if (!isCount(max, 1)) return invalid("size", `${String(max)} is not a number of workers, which is at least 1`)
    if (!isCount(min, 0) || min > max) return invalid("size", `the minimum ${String(min)} is not between 0 and ${max}`)
    if (!(idleMillis >= 0)) return invalid("size.idle", "a time can't be negative or no time at all")
    if (!(startMillis > 0 && startMillis <= 0x7fffffff))
      return invalid("startWithin", "it is no time that can be waited")
    if (!isCount(concurrency, 1)) return invalid("concurrency", `${String(concurrency)} is not a number of tasks`)
    if (bound !== Infinity && !isCount(bound, 0)) return invalid("queue.bound", `${String(bound)} is not a number`)
    if (steps !== undefined && Result.isFailure(steps)) return invalid("escalation", steps.failure.message)
    const names = (options.hostLeases ?? []).map(({ name }) => name)
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    if (twice !== undefined) return invalid("hostLeases", `"${twice}" has two handlers`)
    return Effect.succeed({
      min,
      max,
      idleMillis,
      concurrency,
      startMillis,
      bound,
      whenFull: queue?.whenFull ?? "wait"
    })
  })

const isCount = (value: number, least: number): boolean => Number.isInteger(value) && value >= least && value <= 65_536

const invalid = (option: string, problem: string): Effect.Effect<never, WorkerError.WorkerError> =>
  Effect.fail(WorkerError.make({ _tag: "InvalidOption", option, problem }))
