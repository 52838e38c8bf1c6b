/** The part of the pools of plain functions that needs Effect. It is loaded when something needs it: see `LazyHost`. */
import * as Abort from "@quiesce/core/Abort"
import type * as CancelReason from "@quiesce/core/CancelReason"
import { isAbortSignal } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { wrongArgument } from "../../wire/wrongArgument.ts"
import * as WorkerError from "../../../WorkerError.ts"
import type { BusyWorker } from "../../host/busyWatch.ts"
import type { HandedOver, Running } from "./lightWorker.ts"
import { type CallSettings, settingsOf } from "../../host/callSettings.ts"
import type { DrainReport } from "../../host/draining.ts"
import { type DrainOptions, drainSettings } from "../../host/drainOptions.ts"
import type { Options } from "../../host/poolOptions.ts"
import { type PoolSize, sizeOf } from "../../host/poolSize.ts"
import type { PoolWorker } from "../../host/poolWorker.ts"
import type { RemoteTask } from "../../host/remoteTask.ts"
import type { Status } from "../../host/poolStatus.ts"
import { invalidIn, type Permissions } from "../../leases/permissions.ts"
import type { QueuedTask } from "../../host/taskQueue.ts"
import { inputProblem } from "./inputProblem.ts"
import { LoadProblem } from "./loadProblem.ts"
import { unknownInCall, unknownInPool } from "./optionNames.ts"
import * as PlainPool from "./plainPool.ts"
import type { RunOptions } from "./runOptions.ts"

/** The options of a pool for any function. */
export interface PlainOptions extends Options {
  readonly busy?:
    | (NonNullable<Options["busy"]> & { readonly onBusy?: ((worker: BusyWorker) => void) | undefined })
    | undefined
}

/** A pool in a scope of its own. */
export interface TaskHost {
  readonly run: (url: string, input: unknown, options: RunOptions | undefined) => Promise<unknown>
  readonly broadcast: (
    url: string,
    input: unknown,
    options: RunOptions | undefined
  ) => Promise<ReadonlyArray<PromiseSettledResult<unknown>>>
  readonly status: () => Status
  readonly queued: () => ReadonlyArray<QueuedTask>
  readonly cancelQueued: (reason: CancelReason.CancelReason | undefined) => number
  readonly resize: (size: PoolSize) => Promise<void>
  /** Ends the calls by their escalation, and then the workers. */
  readonly close: () => Promise<void>
  readonly drain: (options: DrainOptions | undefined) => Promise<DrainReport>
}

/** Throws if these are no options of a pool, or have a name that is none of an option. */
export const refuse = (options: unknown): void => {
  if (typeof options !== "object" || options === null) {
    throw wrongArgument("options", options, "the options of a pool, such as { size: 4 }")
  }
  const unknown = unknownInPool(options)
  if (unknown !== undefined) throw WorkerError.make({ _tag: "InvalidOption", ...unknown })
}

/**
 * `permissions`: the leases that a call without permissions of its own may ask for. `handOver` gives the workers that the
 * pool takes over, with their calls.
 */
export const open = async (
  options: PlainOptions,
  permissions: Permissions = {},
  handOver: () => ReadonlyArray<HandedOver> = () => []
): Promise<TaskHost> => {
  const invalid = invalidIn(permissions)
  if (invalid !== undefined) throw WorkerError.make({ _tag: "InvalidOption", ...invalid })
  const onBusy = options.busy?.onBusy
  if (onBusy !== undefined && typeof onBusy !== "function") throw wrongArgument("busy.onBusy", onBusy, "a function")
  const scope = Scope.makeUnsafe()
  const started = handOver().map((worker) => ({ ...worker, adopt: adoptAll(worker.running) }))
  const pool = await Effect.runPromise(Scope.provide(PlainPool.open(options, permissions, { onBusy, started }), scope))
  return new Host(pool, scope)
}

/** Goes on with the calls that a worker runs already. */
const adoptAll =
  (running: ReadonlyArray<Running>): PlainPool.StartedPlainWorker["adopt"] =>
  (pool, handle) => {
    for (const { call, id, slot } of running) {
      const options = { name: undefined, transfer: [], onReport: undefined, settings: pool.settings }
      const { input, reports, signal, url } = call
      const adopted = pool.adopt({ url, input, reports }, options, handle, { id, slot })
      call.handOver(runUntil(signal, inWordsOf(url, adopted)))
    }
  }

/** The signal may have aborted before. The run is then ended, and not refused. */
const runUntil = (signal: AbortSignal | undefined, running: Effect.Effect<unknown, unknown>): Promise<unknown> => {
  if (signal === undefined) return Abort.run(running)
  const controller = new AbortController()
  const result = Abort.run(running, { signal: controller.signal })
  const disarm = Abort.onAbort(signal, () => controller.abort(signal.reason))
  return result.finally(disarm)
}

class Host implements TaskHost {
  private readonly pool: PlainPool.PlainPool
  private readonly scope: Scope.Closeable

  constructor(pool: PlainPool.PlainPool, scope: Scope.Closeable) {
    this.pool = pool
    this.scope = scope
  }

  run(url: string, input: unknown, options: RunOptions | undefined): Promise<unknown> {
    return run(this.pool, url, input, options)
  }

  async broadcast(
    url: string,
    input: unknown,
    options: RunOptions | undefined
  ): Promise<ReadonlyArray<PromiseSettledResult<unknown>>> {
    const { audience } = this.pool.dispatcher
    if (audience instanceof WorkerError.WorkerError) throw audience
    const { transfer } = options ?? {}
    if (transfer !== undefined)
      throw wrongArgument("transfer", transfer, "an option of a broadcast, which copies its input")
    const results = await Promise.allSettled(audience.map((worker) => run(this.pool, url, input, options, worker)))
    // A bad option is no matter of one worker.
    const invalid = results.find((result) => result.status === "rejected" && isInvalid(result.reason))
    if (invalid?.status === "rejected") throw invalid.reason
    // A signal of another library may lack `throwIfAborted`.
    if (options?.signal?.aborted === true) throw options.signal.reason
    return results
  }

  status(): Status {
    return this.pool.dispatcher.status
  }

  queued(): ReadonlyArray<QueuedTask> {
    return this.pool.dispatcher.queued
  }

  cancelQueued(reason: CancelReason.CancelReason | undefined): number {
    return this.pool.dispatcher.cancelQueued(reason)
  }

  async resize(size: PoolSize): Promise<void> {
    const checked = sizeOf(size)
    if (checked instanceof WorkerError.WorkerError) throw checked
    await Effect.runPromise(this.pool.dispatcher.resize(checked))
  }

  close(): Promise<void> {
    return Effect.runPromise(Scope.close(this.scope, Exit.void))
  }

  async drain(options: DrainOptions | undefined): Promise<DrainReport> {
    const settings = drainSettings(options)
    if (settings instanceof WorkerError.WorkerError) throw settings
    const report = await Effect.runPromise(this.pool.dispatcher.drain(settings.millis, settings.queued))
    await this.close()
    return report
  }
}

const run = (
  pool: PlainPool.PlainPool,
  url: string,
  input: unknown,
  options: RunOptions | undefined,
  worker?: PoolWorker<RemoteTask>
): Promise<unknown> => {
  const problem = inputProblem(input)
  if (problem !== undefined) {
    return Promise.reject(WorkerError.make({ _tag: "NotSendable", task: url, problem, remedy: inputRemedy }))
  }
  const settings = options === undefined ? pool.settings : settingsOf(options, pool.settings)
  if (settings instanceof WorkerError.WorkerError) return Promise.reject(settings)
  const misuse = misuseIn(options)
  if (misuse !== undefined) return Promise.reject(misuse)
  return Abort.run(execute(pool, url, input, options, settings, worker), options)
}

const isInvalid = (error: unknown): boolean =>
  error instanceof WorkerError.WorkerError && error.reason._tag === "InvalidOption"

/** A wrong option, which a caller without types may give. */
const misuseIn = (options: RunOptions | undefined): WorkerError.WorkerError | undefined => {
  const unknown = unknownInCall(options ?? {})
  if (unknown !== undefined) return WorkerError.make({ _tag: "InvalidOption", ...unknown })
  const { leases, onProgress, signal, transfer } = options ?? {}
  const invalid = leases === undefined ? undefined : invalidIn(leases)
  if (invalid !== undefined) return WorkerError.make({ _tag: "InvalidOption", ...invalid })
  if (signal !== undefined && !isAbortSignal(signal)) return wrongArgument("signal", signal, "an AbortSignal")
  if (onProgress !== undefined && typeof onProgress !== "function")
    return wrongArgument("onProgress", onProgress, "a function")
  if (transfer !== undefined && !Array.isArray(transfer)) return wrongArgument("transfer", transfer, "an array")
  return undefined
}

const execute = (
  pool: PlainPool.PlainPool,
  url: string,
  input: unknown,
  options: RunOptions | undefined,
  settings: CallSettings,
  worker: PoolWorker<RemoteTask> | undefined
): Effect.Effect<unknown, unknown> => {
  const onReport = options?.onProgress
  const called = pool.execute(
    { url, input, reports: onReport !== undefined },
    // The caller states the type of the reports with that of the module.
    {
      name: options?.name,
      transfer: options?.transfer ?? [],
      onReport: onReport as ((value: unknown) => void) | undefined,
      settings,
      leases: options?.leases,
      // A call inside of `Effect.promise` is made by the running fiber.
      caller: Fiber.getCurrent()
    },
    worker
  )
  return inWordsOf(url, called)
}

/** A call whose errors name its module. */
const inWordsOf = (url: string, called: Effect.Effect<unknown, unknown>): Effect.Effect<unknown, unknown> =>
  Effect.mapError(called, (error) => {
    if (error instanceof LoadProblem) return error.of(url)
    return error instanceof WorkerError.WorkerError ? inOwnWords(error, url) : error
  })

const inputRemedy =
  "Give plain data. The function gets a signal and a token as its second argument: pass your signal as { signal }, the third argument of runTask."

/** Node's problems of objects that are moved: another kind of object, or one that was moved before. */
const isOfTransfer = (problem: string): boolean => /transfer|detached/i.test(problem)

const transferRemedy =
  "An object can be moved to a worker once: `transfer` takes buffers, ports and streams that were not moved before. Send a copy of one that is still needed."

const outputRemedy = "Return plain data, without functions and without getters that throw."

const outputTransferRemedy =
  "The function's `transfer` takes buffers, ports and streams that were not moved before, such as `pixels.buffer` for an array `pixels`."

/** The error of a call in the words of a caller without a contract: the module stands for the task. */
const inOwnWords = (error: WorkerError.WorkerError, task: string): WorkerError.WorkerError => {
  const { reason } = error
  if (reason._tag === "NotSendable") {
    const remedy = isOfTransfer(reason.problem) ? transferRemedy : inputRemedy
    return WorkerError.make({ ...reason, task, remedy }, error.cause)
  }
  if (reason._tag === "ResultNotSendable") {
    const remedy = isOfTransfer(reason.problem) ? outputTransferRemedy : outputRemedy
    return WorkerError.make({ ...reason, task, remedy }, error.cause)
  }
  return reason._tag === "BadReply" ? WorkerError.make({ ...reason, task }, error.cause) : error
}
