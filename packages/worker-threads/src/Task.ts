/**
 * Functions in worker threads for code without Effect. A module's default export is called in a worker. An AbortSignal
 * ends the call, even in a busy loop.
 *
 * Neither this module nor its workers load Effect. The host loads Effect when it is needed: for an option besides `signal`
 * and `transfer`, for the abort of a running call, after the loss of a worker, and beside `@quiesce/core`.
 *
 * @since 0.1.0
 */
import { availableParallelism } from "node:os"
import type * as CancelReason from "@quiesce/core/CancelReason"
import type * as StopToken from "@quiesce/core/StopToken"
import type * as Duration from "effect/Duration"
import type * as BusyWatch from "./internal/host/busyWatch.ts"
import type * as Draining from "./internal/host/draining.ts"
import type * as DrainSettings from "./internal/host/drainOptions.ts"
import type * as Size from "./internal/host/poolSize.ts"
import type * as PoolStatus from "./internal/host/poolStatus.ts"
import type * as RecycleSettings from "./internal/host/recycleOptions.ts"
import type { Permissions } from "./internal/leases/permissions.ts"
import { LazyHost, use } from "./internal/plainTask/host/lazyHost.ts"
import { inContext } from "./internal/plainTask/host/runOptions.ts"
import type { WorkerSettings as SpawnSettings } from "./internal/plainTask/host/spawnPlain.ts"
import type * as PlainLeases from "./internal/plainTask/worker/plainLeases.ts"
import * as ModuleUrl from "./ModuleUrl.ts"

/**
 * The second argument of a task's function: a signal for asynchronous code, a token for synchronous loops to poll, and
 * `report`, which sends a value of type `P` to the caller's `onProgress`. The promise of `report` is pending while the
 * caller has not taken earlier values, so a function that awaits each report is not faster than its caller. After an abort
 * of the call, pending and later reports reject with the reason of the abort. Without an `onProgress` nothing is sent.
 * `lease` asks the host for resources: see `TaskLeases`.
 *
 * `transfer(value, parts)` marks `parts`, such as the buffer of an array, and returns `value`. The worker moves the marked
 * parts to the caller with the result instead of copying them. Nothing is moved if the call fails. A part that can't be moved
 * fails the call with `ResultNotSendable`.
 *
 * ```ts
 * import type { Task } from "@quiesce/worker-threads"
 *
 * export default function invert(pixels: Uint8Array<ArrayBuffer>, { transfer }: Task.TaskContext): Uint8Array {
 *   for (let i = 0; i < pixels.length; i++) pixels[i] = 255 - pixels[i]!
 *   return transfer(pixels, [pixels.buffer])
 * }
 * ```
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface TaskContext<in P = never> {
  readonly signal: AbortSignal
  readonly token: StopToken.StopToken
  readonly report: (value: P) => Promise<void>
  readonly lease: TaskLeases
  readonly transfer: <A>(value: A, parts: Iterable<unknown>) => A
}

/**
 * Resources that the host acquires and keeps for a call. The host releases them, the newest first, before the call
 * settles for its caller: also if the function was ended by force, or its worker was killed or has crashed. `await using`
 * releases a resource earlier, and waits for the release.
 *
 * - `temporaryFolder`: an empty folder, which is removed with its contents
 * - `lockFile`: a file that one process at a time holds. `ownerDied`: an earlier owner has ended without a release. With
 *   `wait: false`, a held lock rejects at once
 * - `childProcess`: a process without a shell, whose whole process group is ended. `exited` completes when the process itself
 *   has exited
 * - `fileHandle`: an open file, whose number all threads share. Leave the closing to the host
 *
 * The host grants temporary folders. It grants other resources as the option `leases` of the call or of its pool says. A
 * refused request rejects with an error whose `name` is `HostLeaseError` and whose `reason` is as in
 * `HostLeases.HostLeaseErrorReason`. The functions of `HostLeases` say more about each kind.
 *
 * *Cancellation*: after an abort of the call, pending and later requests reject with its reason. After the end of the call,
 * no request settles.
 *
 * ```ts
 * import type { Task } from "@quiesce/worker-threads"
 *
 * export default async function convert(file: string, { lease }: Task.TaskContext): Promise<string> {
 *   const folder = await lease.temporaryFolder({ prefix: "convert-" })
 *   const process = await lease.childProcess("ffmpeg", ["-i", file, `${folder.path}/out.webm`])
 *   return (await process.exited)._tag
 * }
 * ```
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type TaskLeases = PlainLeases.TaskLeases

/**
 * A module whose default export can be called in a worker, as in `typeof import("./resize.ts")`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface TaskModule {
  readonly default: (input: never, context: never) => unknown
}

type Arguments<M extends TaskModule> = Parameters<M["default"]>

/** The input of a module's function. @stability unstable @category models @since 0.1.0 */
export type Input<M extends TaskModule> = Arguments<M> extends readonly [] ? void : Arguments<M>[0]

/** The value of a module's function, or of its promise. @stability unstable @category models @since 0.1.0 */
export type Output<M extends TaskModule> = Awaited<ReturnType<M["default"]>>

/** The values that a module's function reports. @stability unstable @category models @since 0.1.0 */
export type Progress<M extends TaskModule> =
  Arguments<M> extends readonly [input?: unknown, context?: infer Context]
    ? Exclude<Context, undefined> extends TaskContext<infer P>
      ? P
      : never
    : never

/**
 * The options of one call.
 *
 * - `signal` ends the call
 * - `runWithin`: how long the function may run, from the start of the run. The time in the queue does not count. It
 *   reaches into busy loops; the call then rejects with `DeadlineExceeded`
 * - `name` of the call's thread, in dumps and reports (default: the name of the module's file)
 * - `priority`: calls of a higher priority are taken from the queue first; within a priority, calls are taken in the order in
 *   which they came. Any number (default 0). A call waits as long as calls of a higher priority come.
 * - `transfer`: the parts of the input to move to the worker instead of copying
 * - `onProgress` gets each value that the function reports. An error that it throws is an uncaught exception of the process
 * - `leases`: the resources that the call may ask the host for, as for `HostLeases.handlers` (default: those of the pool,
 *   and for `runTask` temporary folders only)
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface CallOptions<P = never> {
  readonly signal?: AbortSignal | undefined
  readonly runWithin?: Duration.Input | undefined
  readonly name?: string | undefined
  readonly priority?: number | undefined
  readonly transfer?: ReadonlyArray<unknown> | undefined
  readonly onProgress?: ((value: P) => void) | undefined
  readonly leases?: Permissions | undefined
}

/** The message of the compiler for a call without the type of its module. */
type NameTheModule = 'Name the type of the module, as in runTask<typeof import("./task.ts")>(url, input)'

/**
 * The arguments of a call. An input that may be undefined can be left out.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type CallArguments<M extends TaskModule> = [M] extends [never]
  ? [NameTheModule, never]
  : undefined extends Input<M>
    ? [input?: Input<M>, options?: CallOptions<Progress<M>>]
    : [Input<M>] extends [void]
      ? [input?: undefined, options?: CallOptions<Progress<M>>]
      : [input: Input<M>, options?: CallOptions<Progress<M>>]

/**
 * The arguments of a broadcast. The input is copied for each worker.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type BroadcastArguments<M extends TaskModule> =
  undefined extends Input<M>
    ? [input?: Input<M>, options?: BroadcastOptions<M>]
    : [Input<M>] extends [void]
      ? [input?: undefined, options?: BroadcastOptions<M>]
      : [input: Input<M>, options?: BroadcastOptions<M>]

/** The options of a broadcast. @stability unstable @category models @since 0.1.0 */
export type BroadcastOptions<M extends TaskModule> = Omit<CallOptions<Progress<M>>, "priority" | "transfer">

/**
 * How a pool is made.
 *
 * - `size`: the number of workers, or a minimum, a maximum and the idle time after which surplus workers end (default: one
 *   worker for each available core; idle for 10 seconds)
 * - `concurrency`: how many calls a worker runs at a time (default 1). More than one is for functions that wait.
 * - `queue`: how many calls may wait, and whether a further call waits or fails with `QueueFull` (default: no bound)
 * - `runWithin`: the limit of each call that has none of its own
 * - `busy`: after which time a worker that takes no message is named: `onBusy` is called with its stack, or a warning is
 *   logged without an `onBusy` (default: never). Code that gives its event loop no turn keeps a worker from taking messages.
 * - `recycle`: when a worker is replaced, by whichever limit comes first (default: never). `tasks`: how many calls a worker
 *   takes at most, unless more broadcasts wait for that worker. `age`: the time since the worker was ready. `heap`: the
 *   bytes of its heap, counted each second. The replacement starts first, and one worker after the other is replaced.
 *   The old worker finishes its calls. A pool has one worker more than its maximum meanwhile.
 * - `worker`: settings of the workers themselves
 * - `leases`: the resources that a call without `leases` of its own may ask the host for (default: temporary folders only)
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface TaskPoolOptions {
  readonly size?:
    | number
    | { readonly min: number; readonly max: number; readonly idle?: Duration.Input | undefined }
    | undefined
  readonly concurrency?: number | undefined
  readonly queue?: { readonly bound: number; readonly whenFull: "wait" | "fail" } | undefined
  readonly runWithin?: Duration.Input | undefined
  readonly busy?:
    | { readonly after: Duration.Input; readonly onBusy?: ((worker: BusyWorker) => void) | undefined }
    | undefined
  readonly recycle?: RecycleOptions | undefined
  readonly worker?: WorkerSettings | undefined
  readonly leases?: Permissions | undefined
}

/**
 * The limits after which a worker is replaced. `heap` is a number of bytes.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type RecycleOptions = RecycleSettings.RecycleOptions

/**
 * A worker that has taken no message for a long time.
 *
 * - `threadId`: Node's number of the worker
 * - `tasks`: the names of the calls that the worker runs
 * - `millis`: the milliseconds without a message
 * - `stack` of the running code; undefined in native code, and where there is no inspector
 * - `message`: all of this as a text
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type BusyWorker = BusyWatch.BusyWorker

/**
 * The settings of the workers of a pool, as Node's `new Worker` takes them: `name`, `env`, `argv`, `execArgv` and
 * `resourceLimits`. The flags of `execArgv` are added to those that a worker inherits from the process. A worker that outgrows its
 * `resourceLimits` ends its calls with `WorkerExited`, and is replaced.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type WorkerSettings = SpawnSettings

/**
 * How a pool is drained.
 *
 * - `within`: the time after which the remaining calls are ended as after an abort (default: no limit)
 * - `queued`: whether the waiting calls are run, or reject with `PoolClosed` at once (default: "finish")
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type DrainOptions = DrainSettings.DrainOptions

/**
 * Counts of the calls that were in a pool when its drain began: the calls that ended by themselves or by their callers, the
 * calls that the drain ended while they ran, and the calls that were never started.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type DrainReport = Draining.DrainReport

/**
 * Counts of a pool's workers and calls, and the least and the greatest number of workers.
 *
 * - `workers` that take calls, with the starting ones
 * - `retiring`: the workers that finish their calls and then end. A worker that is recycled takes calls until its replacement is
 *   ready
 * - `missing`: how many workers are below the minimum because they died and could not be started again
 * - `running` has the calls of both kinds of worker
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type TaskPoolStatus = PoolStatus.Status

/**
 * The least and the greatest number of workers. Surplus workers end when they have been idle for the pool's idle time.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type PoolSize = Size.PoolSize

/**
 * A look at a call that waits for a worker or for room in the queue.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface QueuedTask {
  readonly name: string
  readonly ageMillis: number
  readonly priority: number
}

/**
 * A pool of workers for the function of one module. `await using` closes the pool: its calls end as after an abort, and
 * then its workers end.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface TaskPool<in out M extends TaskModule> extends AsyncDisposable {
  /** Calls the function in a worker: see `runTask`. */
  readonly run: (...args: CallArguments<M>) => Promise<Output<M>>
  /**
   * Takes no new call, waits for the others, and then closes the pool. New calls reject with `PoolClosed`. Rejects with
   * `InvalidOption`.
   */
  readonly drain: (options?: DrainOptions) => Promise<DrainReport>
  /**
   * Changes the number of workers. More workers start for a higher minimum and for waiting calls. If there are too many
   * workers, idle ones end first, and busy ones finish their calls. Resolves before the workers have started or ended.
   * Rejects with `InvalidOption`, and with `PoolClosed` once the pool drains or closes.
   */
  readonly resize: (size: PoolSize) => Promise<void>
  /**
   * Calls the function once on each worker that the pool has now, starting ones as soon as they are ready. Gives one result
   * for each worker, the oldest first. A worker that starts later gets no call, and one that retires already gets none
   * either. On each worker the call comes before the calls that wait, and the bound of the queue does not count it. If a
   * worker ends before its call, its result is a `WorkerExited`. Rejects with `InvalidOption`, and with `PoolClosed` once the
   * pool drains or closes.
   *
   * *Cancellation*: an abort ends the calls on all workers. The Promise then rejects with `signal.reason`, once all have ended.
   */
  readonly broadcast: (...args: BroadcastArguments<M>) => Promise<ReadonlyArray<PromiseSettledResult<Output<M>>>>
  readonly status: TaskPoolStatus
  /** The calls that wait for the pool to open, for a worker or for room, in the order in which they will run. */
  readonly queued: ReadonlyArray<QueuedTask>
  /** Ends the calls that wait, as after an abort with the reason, and none that runs. Gives their number. */
  readonly cancelQueued: (options?: { readonly reason?: CancelReason.CancelReason | undefined }) => Promise<number>
}

/** The module of the workers. */
let worker: URL | string = ModuleUrl.of("./internal/plainTask/task.worker.ts", import.meta.url)

/**
 * Names the module of the workers of `runTask`, for a program that is bundled together with this package. The bundle then
 * needs a module of its own that imports `@quiesce/worker-threads/taskWorker`, as an entry. Call it before the first
 * `runTask`: workers that have started stay as they are.
 *
 * ```ts
 * // The file task.worker.ts has one line: import "@quiesce/worker-threads/taskWorker"
 * import { ModuleUrl, Task } from "@quiesce/worker-threads"
 *
 * Task.useWorker(ModuleUrl.of("./task.worker.ts", import.meta.url))
 * ```
 *
 * @stability unstable
 * @category configuration
 * @since 0.1.0
 */
export const useWorker = (url: URL | string): void => {
  worker = url
}

/** The pool lives as long as the process, and does not keep the process alive. */
let shared: LazyHost | undefined

/**
 * Calls the default export of the module at `url` in a worker, as `(input, { signal, token, report })`. Gives the value
 * that it returns or resolves with, and throws the error that it throws, with name, message and own properties. Input and
 * result cross by structured clone. The type of the module gives the types of both.
 *
 * All calls in the process share the workers. A worker is started when it is needed and ends when it is idle.
 *
 * Rejects with a `WorkerError`: `BadTaskModule`, `NotSendable` if the input can't be cloned, `InvalidOption` also for a
 * misspelled option, `WorkerExited`.
 *
 * *Cancellation*: after an abort the Promise rejects with `signal.reason`, once the function has settled. A loop that
 * checks neither its signal nor its token is ended after a second: its worker lives on, but the function's own `finally`
 * blocks do not run. If that fails, the worker is killed. Code that loops after the first `await` of a function is only
 * ended by a kill.
 *
 * ```ts
 * import { Task } from "@quiesce/worker-threads"
 *
 * const signal = AbortSignal.timeout(10_000)
 * const url = new URL("./sum.ts", import.meta.url)
 * const sum = await Task.runTask<typeof import("./sum.ts")>(url, [1, 2, 3], { signal })
 * ```
 *
 * @stability unstable
 * @category runners
 * @since 0.1.0
 */
export const runTask = <M extends TaskModule = never>(
  url: URL | string,
  ...args: CallArguments<M>
): Promise<Output<M>> => {
  const [input, options] = args as [unknown, CallOptions | undefined]
  const href = String(url)
  const { signal } = options ?? {}
  if (signal?.aborted === true) return Promise.reject(signal.reason)
  shared ??= new LazyHost(worker, { size: { min: 0, max: availableParallelism() } }, href)
  // The caller has named the module.
  return shared.run(href, input, options) as Promise<Output<M>>
}

/**
 * Makes a pool for the function of the module at `url`. Its workers start at once, and load the module.
 *
 * A bad option rejects the calls with `InvalidOption`. If it is found before the first call, the error is an unhandled
 * rejection of the process.
 *
 * ```ts
 * import { Task } from "@quiesce/worker-threads"
 *
 * const url = new URL("./resize.ts", import.meta.url)
 * const pool = Task.createTaskPool<typeof import("./resize.ts")>(url, { size: 4, runWithin: "2 seconds" })
 * const small = await pool.run(image, { transfer: [image.pixels.buffer], onProgress: (part) => console.log(part) })
 * await pool.drain()
 * ```
 *
 * Where the runtime knows `await using`, as Node 24 and later, a pool can be declared with it.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const createTaskPool = <M extends TaskModule = never>(
  url: URL | string,
  options?: TaskPoolOptions
): TaskPool<M> => new Pool<M>(String(url), options ?? {})

class Pool<M extends TaskModule> implements TaskPool<M> {
  private readonly url: string
  private readonly lazy: LazyHost

  constructor(url: string, options: TaskPoolOptions) {
    this.url = url
    this.lazy = new LazyHost(worker, options, url)
  }

  readonly run = (...args: CallArguments<M>): Promise<Output<M>> => {
    const [input, given] = args as [unknown, CallOptions | undefined]
    if (given?.signal?.aborted === true) return Promise.reject(given.signal.reason)
    // The caller has named the module.
    return this.lazy.run(this.url, input, given) as Promise<Output<M>>
  }

  readonly drain = (options?: DrainOptions): Promise<DrainReport> => this.lazy.drain(options)

  get queued(): ReadonlyArray<QueuedTask> {
    return this.lazy.queued
  }

  readonly cancelQueued = async (options?: {
    readonly reason?: CancelReason.CancelReason | undefined
  }): Promise<number> => use(this.lazy.open(), async (host) => host.cancelQueued(options?.reason))

  readonly resize = async (size: PoolSize): Promise<void> => use(this.lazy.open(), (host) => host.resize(size))

  readonly broadcast = async (
    ...args: BroadcastArguments<M>
  ): Promise<ReadonlyArray<PromiseSettledResult<Output<M>>>> => {
    const [input, given] = args as [unknown, BroadcastOptions<M> | undefined]
    // A wrong signal is refused below.
    const signal: Partial<AbortSignal> | undefined = given?.signal
    signal?.throwIfAborted?.()
    const options = inContext(given)
    const results = use(this.lazy.open(), (host) => host.broadcast(this.url, input, options))
    // The caller has named the module.
    return results as Promise<ReadonlyArray<PromiseSettledResult<Output<M>>>>
  }

  get status(): TaskPoolStatus {
    return this.lazy.status
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lazy.close()
  }
}
