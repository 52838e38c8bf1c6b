/**
 * A pool of worker threads that run the tasks of a contract. Each task is a thread that can be stopped, interrupted,
 * unwound and killed. When a task has ended, its resources are released.
 *
 * @since 0.1.0
 */
import type * as CancelReason from "@quiesce/core/CancelReason"
import type * as Deadline from "@quiesce/core/Deadline"
import type * as Escalation from "@quiesce/core/Escalation"
import { readOr } from "@quiesce/core/internal"
import type * as Thread from "@quiesce/core/Thread"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import type * as Draining from "./internal/host/draining.ts"
import type * as DrainSettings from "./internal/host/drainOptions.ts"
import * as DefaultEscalation from "./internal/host/defaultEscalation.ts"
import type * as PoolOptions from "./internal/host/poolOptions.ts"
import type * as Size from "./internal/host/poolSize.ts"
import { wrongArgument } from "./internal/wire/wrongArgument.ts"
import { TypeId } from "./internal/host/poolTypeId.ts"
import { laterPart } from "./internal/wire/laterPart.ts"
import type * as PoolStatus from "./internal/host/poolStatus.ts"
import type * as RecycleSettings from "./internal/host/recycleOptions.ts"
import type * as WorkerError from "./WorkerError.ts"

/**
 * How a pool is made: see each field.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Options = PoolOptions.Options

/**
 * The limits after which a worker is replaced. `heap` is a number of bytes.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type RecycleOptions = RecycleSettings.RecycleOptions

/** How a call may fail in addition to the errors of the contract. @stability unstable @category models @since 0.1.0 */
export type Failure = WorkerError.WorkerError

/**
 * The options of one call.
 *
 * - `name` of the call's thread, in dumps and reports (default: the tag of the task)
 * - `priority`: tasks of a higher priority are taken from the queue first; within a priority, tasks are taken in the order in
 *   which they came. Any number (default 0). A task waits as long as tasks of a higher priority come.
 * - `runWithin`: how long the task may run, from the time at which a worker takes it. The time in the queue does not count.
 *   The limit reaches into busy loops, by the escalation of the task. The call then fails with `DeadlineExceeded`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface CallOptions {
  readonly name?: string | undefined
  readonly priority?: number | undefined
  readonly runWithin?: Duration.Input | undefined
}

/** The error of calls whose options may have a limit. */
type Timed<O> = "runWithin" extends keyof O
  ? [O["runWithin"]] extends [undefined]
    ? never
    : Deadline.DeadlineExceeded
  : never

/** Options of a call without any. */
type NoOptions = {}

/**
 * How a pool is drained.
 *
 * - `within`: the time after which the remaining tasks are ended, each by its escalation (default: no limit)
 * - `queued`: whether the waiting tasks are run, or fail with `PoolClosed` at once (default: "finish")
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type DrainOptions = DrainSettings.DrainOptions

/**
 * Counts of the tasks that were in a pool when its drain began: the tasks that ended by themselves or by their callers, the
 * tasks that the drain ended while they ran, and the tasks that were never started.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type DrainReport = Draining.DrainReport

/**
 * A look at a task that waits for a worker, or at a call that waits for room in the queue.
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

type Tagged<Rpcs extends Rpc.Any, Tag extends Rpcs["_tag"]> = Rpc.ExtractTag<Rpcs, Tag>

/** The tags of the tasks that give a stream. */
type StreamTag<Rpcs extends Rpc.Any> = Rpcs extends infer R extends Rpc.Any
  ? Rpc.Success<R> extends Stream.Stream<infer _A, infer _E, infer _R>
    ? R["_tag"]
    : never
  : never

/** The tags of the tasks that give one value. */
type TaskTag<Rpcs extends Rpc.Any> = Exclude<Rpcs["_tag"], StreamTag<Rpcs>>

/** The tags of the tasks whose Schemas need no services on the host. A Promise has no services. */
type PlainTag<Rpcs extends Rpc.Any> = Rpcs extends infer R extends Rpc.Any
  ? [Rpc.ServicesClient<R>] extends [never]
    ? R["_tag"]
    : never
  : never

/** The arguments after the tag. A payload that may be undefined can be left out. */
type Args<Payload, Options extends ReadonlyArray<unknown> = []> = undefined extends Payload
  ? [payload?: Payload, ...options: Options]
  : [payload: Payload, ...options: Options]

type PayloadOf<Rpcs extends Rpc.Any, Tag extends Rpcs["_tag"]> = Rpc.PayloadConstructor<Tagged<Rpcs, Tag>>

/** The tasks by tag. A pool of fewer tasks is no pool of more. */
type Table<Rpcs extends Rpc.Any> = {
  readonly [R in Rpcs as R["_tag"]]: {
    readonly payload: (_: Rpc.PayloadConstructor<R>) => void
    readonly success: () => Rpc.Success<R>
    readonly error: () => Rpc.ErrorExit<R>
  }
}

/** How the client middleware of a contract may fail before the task is sent. */
type Refusal<R> =
  R extends Rpc.Rpc<infer _Tag, infer _Payload, infer _Success, infer _Error, infer Middleware, infer _Requires>
    ? Middleware["error"]["Type"] | Middleware["~ClientError"]
    : never

/**
 * A pool for the contract `Rpcs`. Its calls may fail with `F` in addition to the errors of the contract.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface WorkerPool<Rpcs extends Rpc.Any, out F = Failure> {
  readonly [TypeId]: Types.Covariant<Table<Rpcs>>
  /**
   * Runs a task and gives its result. Interrupting the effect ends the task by the pool's escalation, and returns after
   * the task's finalizers have run. A task that still waits for a worker never starts.
   */
  readonly execute: <const Tag extends TaskTag<Rpcs>, const O extends CallOptions = NoOptions>(
    tag: Tag,
    ...args: Args<PayloadOf<Rpcs, Tag>, [options?: O]>
  ) => Effect.Effect<
    Rpc.SuccessExit<Tagged<Rpcs, Tag>>,
    Rpc.ErrorExit<Tagged<Rpcs, Tag>> | Refusal<Tagged<Rpcs, Tag>> | F | Timed<O>,
    Rpc.ServicesClient<Tagged<Rpcs, Tag>>
  >
  /**
   * Starts a task as a thread in the current scope. The thread is `Queued` while it waits for a worker. Client
   * middleware runs before the start, and its error fails the start.
   */
  readonly spawn: <const Tag extends TaskTag<Rpcs>, const O extends Thread.SpawnOptions & CallOptions = NoOptions>(
    tag: Tag,
    ...args: Args<PayloadOf<Rpcs, Tag>, [options?: O]>
  ) => Effect.Effect<
    Thread.Thread<Rpc.SuccessExit<Tagged<Rpcs, Tag>>, Rpc.ErrorExit<Tagged<Rpcs, Tag>> | F | Timed<O>>,
    Refusal<Tagged<Rpcs, Tag>> | Failure,
    Rpc.ServicesClient<Tagged<Rpcs, Tag>> | Scope.Scope
  >
  /**
   * Runs a task to a Promise. The Promise settles after the task's finalizers, and after an abort rejects with
   * `signal.reason`. A task whose Schemas need services is run by `execute`.
   */
  readonly run: <const Tag extends Extract<TaskTag<Rpcs>, PlainTag<Rpcs>>>(
    tag: Tag,
    ...args: Args<PayloadOf<Rpcs, Tag>, [options?: CallOptions & { readonly signal?: AbortSignal | undefined }]>
  ) => Promise<Rpc.SuccessExit<Tagged<Rpcs, Tag>>>
  /**
   * Runs a task that gives a stream. The worker is at most a few chunks ahead of the consumer. Ending the stream early,
   * at any element, ends the task and waits for its finalizers.
   */
  readonly stream: <const Tag extends StreamTag<Rpcs>, const O extends CallOptions = NoOptions>(
    tag: Tag,
    ...args: Args<PayloadOf<Rpcs, Tag>, [options?: O]>
  ) => Stream.Stream<
    Rpc.SuccessChunk<Tagged<Rpcs, Tag>>,
    Rpc.ErrorExit<Tagged<Rpcs, Tag>> | Refusal<Tagged<Rpcs, Tag>> | F | Timed<O>,
    Rpc.ServicesClient<Tagged<Rpcs, Tag>>
  >
  /**
   * The capabilities of the pool's workers here, with the cause of each that is missing. Each worker reports about itself
   * when it is ready, so read the field again after the start of a worker.
   */
  readonly capabilities: Capabilities
  readonly status: Effect.Effect<Status>
  /** The tasks that wait for a worker and the calls that wait for room, in the order in which they will run. */
  readonly queued: Effect.Effect<ReadonlyArray<QueuedTask>>
  /** Interrupts the tasks and calls that wait, and none that runs. Gives their number. */
  readonly cancelQueued: (options?: {
    readonly reason?: CancelReason.CancelReason | undefined
  }) => Effect.Effect<number>
  /**
   * Takes no new task, waits for the others, and closes the pool. New calls fail with `PoolClosed`. Dies with
   * `InvalidOption`.
   *
   * *Cancellation*: the pool still takes no new task, and its tasks go on. Its workers end with its scope.
   */
  readonly drain: (options?: DrainOptions) => Effect.Effect<DrainReport>
  /**
   * Changes the number of workers. More workers start for a higher minimum and for waiting tasks. If there are too many
   * workers, idle ones end first, and busy ones finish their tasks. Completes before the workers have started or ended.
   * Fails with `PoolClosed` once the pool drains or closes. Dies with `InvalidOption`.
   */
  readonly resize: (size: PoolSize) => Effect.Effect<void, WorkerError.WorkerError>
  /**
   * Runs a task once on each worker that the pool has now, on starting ones as soon as they are ready. Gives one exit for
   * each worker, the oldest first. A worker that starts later gets no task, and one that retires already gets none either.
   * On each worker the task comes before the tasks that wait, and the bound of the queue does not count it. The payload is
   * copied for each worker. If a worker ends before its task, its exit is a `WorkerExited`. Fails with `PoolClosed` once the
   * pool drains or closes.
   *
   * *Cancellation*: the tasks on all workers are interrupted, and the effect returns after all their finalizers.
   */
  readonly broadcast: <const Tag extends TaskTag<Rpcs>, const O extends CallOptions = NoOptions>(
    tag: Tag,
    ...args: Args<PayloadOf<Rpcs, Tag>, [options?: O]>
  ) => Effect.Effect<
    ReadonlyArray<
      Exit.Exit<
        Rpc.SuccessExit<Tagged<Rpcs, Tag>>,
        Rpc.ErrorExit<Tagged<Rpcs, Tag>> | Refusal<Tagged<Rpcs, Tag>> | F | Timed<O>
      >
    >,
    WorkerError.WorkerError,
    Rpc.ServicesClient<Tagged<Rpcs, Tag>>
  >
}

/**
 * `unwind` says which busy code can be ended in the pool's workers: none, only sections (`Blocking.interruptible`), or
 * sections and other code. One worker that can do less than the others decides. `why` is the reason for less than all.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Capabilities {
  readonly unwind:
    | { readonly _tag: "None"; readonly why: string }
    | { readonly _tag: "SectionsOnly"; readonly why: string }
    | { readonly _tag: "SectionsAndOtherCode" }
}

/**
 * Counts of a pool's workers and tasks, and the least and the greatest number of workers.
 *
 * - `workers` that take tasks, with the starting ones
 * - `retiring`: the workers that finish their tasks and then end. A worker that is recycled takes tasks until its replacement is
 *   ready
 * - `missing`: how many workers are below the minimum because they died and could not be restarted. The pool logs one
 *   warning and tries again after pauses of at most 30 seconds
 * - `running` has the tasks of both kinds of worker
 *
 * A killed worker and its tasks are not counted, even if native code delays the end of the worker: another worker has
 * taken its place.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Status = PoolStatus.Status

/**
 * The least and the greatest number of workers. Surplus workers end when they have been idle for the pool's idle time.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type PoolSize = Size.PoolSize

/**
 * The pool of a contract, as in `WorkerPool.Of<typeof Tasks>`. `F` has the errors of its calls in addition to those of the
 * contract: a pool with a limit for all calls is a `WorkerPool.Of<typeof Tasks, WorkerError | DeadlineExceeded>`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Of<Group extends RpcGroup.Any, F = Failure> = WorkerPool<RpcGroup.Rpcs<Group>, F>

/**
 * The escalation of a task that is ended without one.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const defaultEscalation: Escalation.Escalation = DefaultEscalation.defaultEscalation

/** The type of an option that a pool does not have. */
interface NotAnOption<Name> {
  readonly poolHasNoOption: Name
}

/** Refuses options of unknown names. The type parameter of `make` would accept them. */
type OnlyKnown<O> = { readonly [K in Exclude<keyof O, keyof Options>]: NotAnOption<K> }

/**
 * Makes a pool in the current scope and waits until its first workers are ready. When the scope closes, the tasks end
 * by their escalations, and then the workers end. Nothing is left behind.
 *
 * Fails with `SpawnFailed` if no worker can be started in five attempts, and dies with `InvalidOption`. If no worker starts
 * later, tasks fail with `SpawnFailed` until a worker has started; the pool keeps trying.
 *
 * *Cancellation*: the workers that have been started are ended first.
 *
 * Middleware of the contract runs as in Effect's RPC: in the worker, where `ThreadWorker.main` must be given it, around
 * each task; and on the host around the sending of each task, if `RpcMiddleware.layerClient` provides it.
 *
 * Services that the contract's Schemas need come from the caller of a task, and in the worker from the layer of
 * `ThreadWorker.main`.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = <Rpcs extends Rpc.Any, const O extends Options>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: O & OnlyKnown<O>
): Effect.Effect<
  WorkerPool<Rpcs, Failure | Timed<O>>,
  WorkerError.WorkerError,
  Scope.Scope | Rpc.MiddlewareClient<Rpcs>
> =>
  hasRequests(group)
    ? (Effect.flatMap(
        Effect.promise(() => laterPart(import("./internal/host/makeContractPool.ts"))),
        (host) => host.make(group.requests, options)
      ) as unknown as Made<WorkerPool<Rpcs, Failure | Timed<O>>, Rpcs>)
    : Effect.die(wrongArgument("The contract", group, "an RpcGroup; make one with RpcGroup.make(...)"))

const hasRequests = (group: unknown): boolean =>
  readOr(() => Predicate.hasProperty(group, "requests") && group.requests instanceof Map, false)

/** The type of options that nobody has: the group lacks tasks of the service. */
interface LacksTasksOf<Service> {
  readonly groupLacksTasksOf: Service
}

/**
 * The pool of a contract as a service: `WorkerPool.layer(Encoder, Tasks, { spawn })`. The layer waits until the first
 * workers are ready. When the layer's scope closes, the tasks and then the workers end.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = <Self, Service, Rpcs extends Rpc.Any>(
  tag: Context.Key<Self, Service>,
  group: RpcGroup.RpcGroup<Rpcs>,
  options: OptionsOf<Service, Rpcs>
): LayerOf<Self, Rpcs> =>
  // The type of the options has checked that the pool is the service.
  Layer.effect(tag, make(group, options as Options) as unknown as Made<Service, Rpcs>)

/**
 * The options of a pool that is the service. A pool of fewer tasks is not the service of a tag with more. One signature,
 * because a wrong option among several signatures is reported as a wrong group.
 */
type OptionsOf<Service, Rpcs extends Rpc.Any> = [WorkerPool<Rpcs>] extends [Service]
  ? [WorkerPool<Rpcs, Failure | Deadline.DeadlineExceeded>] extends [Service]
    ? Options
    : Unlimited
  : LacksTasksOf<Service>

/** Options of a pool whose calls have no limit. */
type Unlimited = Options & { readonly runWithin?: undefined }

type LayerOf<Self, Rpcs extends Rpc.Any> = Layer.Layer<
  Self,
  WorkerError.WorkerError,
  Exclude<Rpc.MiddlewareClient<Rpcs>, Scope.Scope>
>

type Made<Service, Rpcs extends Rpc.Any> = Effect.Effect<
  Service,
  WorkerError.WorkerError,
  Scope.Scope | Rpc.MiddlewareClient<Rpcs>
>

/**
 * Whether a value is a pool that `WorkerPool.make` made, of any contract.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isWorkerPool = (value: unknown): value is WorkerPool<Rpc.Any> =>
  readOr(() => Predicate.hasProperty(value, TypeId), false)
