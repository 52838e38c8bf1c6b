/** The part of the pools of plain functions that needs Effect. It is loaded while the first workers start. */
import * as Abort from "@quiesce/core/Abort"
import * as CancelReason from "@quiesce/core/CancelReason"
import { DeadlineExceeded } from "@quiesce/core/Deadline"
import { millisOf, textOf } from "@quiesce/core/internal"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as WorkerError from "../../../WorkerError.ts"
import type { Status } from "../../host/dispatcher.ts"
import type { Options } from "../../host/poolOptions.ts"
import { invalidIn, type Permissions } from "../../leases/permissions.ts"
import { inputProblem } from "./inputProblem.ts"
import { LoadProblem } from "./plainDialect.ts"
import * as PlainPool from "./plainPool.ts"

/** The options of one call, whatever its function. */
export interface RunOptions {
  readonly signal?: AbortSignal | undefined
  readonly runWithin?: Duration.Input | undefined
  readonly name?: string | undefined
  readonly transfer?: ReadonlyArray<unknown> | undefined
  readonly onProgress?: ((value: never) => void) | undefined
  readonly leases?: Permissions | undefined
}

/** A pool in a scope of its own. */
export interface TaskHost {
  readonly run: (url: string, input: unknown, options: RunOptions | undefined) => Promise<unknown>
  readonly status: () => Status
  /** Ends the calls by their escalation, and then the workers. */
  readonly close: () => Promise<void>
  readonly drain: (within: Duration.Input | undefined) => Promise<Drained>
}

/** Counts of calls since the beginning of a drain. */
export interface Drained {
  readonly finished: number
  readonly cut: number
  readonly neverStarted: number
}

/** `permissions`: the leases that a call without permissions of its own may ask for. */
export const open = async (options: Options, permissions: Permissions = {}): Promise<TaskHost> => {
  const invalid = invalidIn(permissions)
  if (invalid !== undefined) throw WorkerError.make({ _tag: "InvalidOption", ...invalid })
  const scope = Scope.makeUnsafe()
  const pool = await Effect.runPromise(Scope.provide(PlainPool.open(options, permissions), scope))
  return new Host(pool, scope)
}

class Host implements TaskHost {
  private readonly pool: PlainPool.PlainPool
  private readonly scope: Scope.Closeable
  /** The calls that have not settled. */
  private active = 0
  private settled = 0
  private isClosing = false
  /** The counts at the beginning of the close, which ends all other calls. */
  private atClose: { readonly settled: number; readonly cut: number; readonly neverStarted: number } | undefined
  /** Called when no call is left. */
  private whenIdle: () => void = () => {}

  constructor(pool: PlainPool.PlainPool, scope: Scope.Closeable) {
    this.pool = pool
    this.scope = scope
  }

  run(url: string, input: unknown, options: RunOptions | undefined): Promise<unknown> {
    if (this.isClosing) return Promise.reject(WorkerError.make({ _tag: "PoolClosed" }))
    this.active++
    const running = run(this.pool, url, input, options)
    running.then(this.ended, this.ended)
    return running
  }

  private readonly ended = (): void => {
    this.settled++
    if (--this.active === 0) this.whenIdle()
  }

  status(): Status {
    return this.pool.status
  }

  close(): Promise<void> {
    this.isClosing = true
    const { status, unstarted } = this.pool
    this.atClose ??= { settled: this.settled, cut: status.running, neverStarted: unstarted }
    return Effect.runPromise(Scope.close(this.scope, Exit.void))
  }

  async drain(within: Duration.Input | undefined): Promise<Drained> {
    const millis = within === undefined ? Infinity : millisOfOption("within", within)
    this.isClosing = true
    const before = this.settled
    await this.idle(millis)
    await this.close()
    const { cut, neverStarted, settled } = this.atClose!
    return { finished: Math.max(0, settled - before), cut, neverStarted }
  }

  /** Completes when no call is left, or after the limit. */
  private idle(millis: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.active === 0) return resolve()
      const timer = millis === Infinity ? undefined : setTimeout(resolve, millis)
      const before = this.whenIdle
      this.whenIdle = () => {
        clearTimeout(timer)
        before()
        resolve()
      }
    })
  }
}

/** Throws for a value that is no duration that can be waited. */
const millisOfOption = (option: string, given: Duration.Input): number => {
  const millis = Result.getOrElse(millisOf(given), () => NaN)
  if (millis > 0 && millis <= 0x7fffffff) return millis
  const problem = `${textOf(given)} is not a duration that can be waited; give one such as "2 seconds"`
  throw WorkerError.make({ _tag: "InvalidOption", option, problem })
}

const run = (
  pool: PlainPool.PlainPool,
  url: string,
  input: unknown,
  options: RunOptions | undefined
): Promise<unknown> => {
  const problem = inputProblem(input)
  if (problem !== undefined) {
    return Promise.reject(WorkerError.make({ _tag: "NotSendable", task: url, problem, remedy: inputRemedy }))
  }
  const misuse = misuseIn(options)
  if (misuse !== undefined) return Promise.reject(misuse)
  if (options?.runWithin !== undefined) return runWithin(pool, url, input, options, options.runWithin)
  return Abort.run(execute(pool, url, input, options, undefined), options)
}

/** A wrong option, which a caller without types may give. */
const misuseIn = (options: RunOptions | undefined): WorkerError.WorkerError | undefined => {
  const { leases, onProgress, transfer } = options ?? {}
  const invalid = leases === undefined ? undefined : invalidIn(leases)
  if (invalid !== undefined) return WorkerError.make({ _tag: "InvalidOption", ...invalid })
  if (onProgress !== undefined && typeof onProgress !== "function") return wrong("onProgress", onProgress, "a function")
  if (transfer !== undefined && !Array.isArray(transfer)) return wrong("transfer", transfer, "an array")
  return undefined
}

const wrong = (option: string, given: unknown, wanted: string): WorkerError.WorkerError =>
  WorkerError.make({ _tag: "InvalidOption", option, problem: `${textOf(given)} is not ${wanted}` })

const execute = (
  pool: PlainPool.PlainPool,
  url: string,
  input: unknown,
  options: RunOptions | undefined,
  onStart: (() => void) | undefined
): Effect.Effect<unknown, unknown> => {
  const onReport = options?.onProgress
  const called = pool.execute(
    { url, input, reports: onReport !== undefined },
    // The caller states the type of the reports with that of the module.
    {
      name: options?.name,
      transfer: options?.transfer ?? [],
      onReport: onReport as ((value: unknown) => void) | undefined,
      onStart,
      leases: options?.leases
    }
  )
  return Effect.mapError(called, (error) => {
    if (error instanceof LoadProblem) return WorkerError.make({ _tag: "BadTaskModule", url, problem: error.problem })
    return error instanceof WorkerError.WorkerError ? inOwnWords(error, url) : error
  })
}

/** The limit counts from the start of the run. */
const runWithin = async (
  pool: PlainPool.PlainPool,
  url: string,
  input: unknown,
  options: RunOptions,
  limit: Duration.Input
): Promise<unknown> => {
  const millis = millisOfOption("runWithin", limit)
  const { signal } = options
  const linked = Abort.any(signal === undefined ? [] : [signal])
  let timer: NodeJS.Timeout | undefined
  let passed: CancelReason.CancelError | undefined
  const onStart = (): void => {
    timer = setTimeout(() => {
      passed = CancelReason.toError(CancelReason.deadlineExceeded(Date.now()))
      linked.abort(passed)
    }, millis)
  }
  try {
    return await Abort.run(execute(pool, url, input, options, onStart), linked)
  } catch (error) {
    throw passed !== undefined && error === passed ? new DeadlineExceeded({ millis, suppressed: [] }) : error
  } finally {
    clearTimeout(timer)
    linked[Symbol.dispose]()
  }
}

const inputRemedy =
  "Give plain data. The function gets a signal and a token as its second argument: pass your signal as { signal }, the third argument of runTask."

const outputRemedy = "Return plain data, without functions and without getters that throw."

/** The error of a call in the words of a caller without a contract: the module stands for the task. */
const inOwnWords = (error: WorkerError.WorkerError, task: string): WorkerError.WorkerError => {
  const { reason } = error
  if (reason._tag === "NotSendable") return WorkerError.make({ ...reason, task, remedy: inputRemedy }, error.cause)
  if (reason._tag === "ResultNotSendable") {
    return WorkerError.make({ ...reason, task, remedy: outputRemedy }, error.cause)
  }
  return reason._tag === "BadReply" ? WorkerError.make({ ...reason, task }, error.cause) : error
}
