/**
 * A pool of worker threads that run the tasks of a contract. Each task is a thread that can be stopped, interrupted,
 * unwound and killed. When a task has ended, its resources are released.
 *
 * @since 0.1.0
 */
import * as Deadline from "@quiesce/core/Deadline"
import type * as Escalation from "@quiesce/core/Escalation"
import * as Abort from "@quiesce/core/Abort"
import { readOr } from "@quiesce/core/internal"
import * as Thread from "@quiesce/core/Thread"
import * as ThreadAdapter from "@quiesce/core/adapter"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import * as Codec from "./internal/wire/codec.ts"
import type { TaskCodec } from "./internal/wire/wire.ts"
import { contractDialect } from "./internal/wire/contractDialect.ts"
import { CallSpan } from "./internal/host/callSpan.ts"
import * as ClientMiddleware from "./internal/host/clientMiddleware.ts"
import type { PoolCapabilities } from "./internal/host/poolCapabilities.ts"
import type { Dispatcher } from "./internal/host/dispatcher.ts"
import * as CurrentTask from "./internal/wire/currentTask.ts"
import { openContractPool } from "./internal/host/openContractPool.ts"
import * as PoolOptions from "./internal/host/poolOptions.ts"
import type { Leases } from "./internal/leases/keeper.ts"
import { RemoteTask } from "./internal/host/remoteTask.ts"
import { type Started, streamOf } from "./internal/host/remoteStream.ts"
import * as WorkerError from "./WorkerError.ts"

/**
 * How a pool is made: see each field.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Options = PoolOptions.Options

/** How a call may fail in addition to the errors of the contract. @stability unstable @category models @since 0.1.0 */
export type Failure = WorkerError.WorkerError

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

const TypeId: "~@quiesce/worker-threads/WorkerPool" = "~@quiesce/worker-threads/WorkerPool"

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
 * A pool for the contract `Rpcs`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface WorkerPool<Rpcs extends Rpc.Any> {
  readonly [TypeId]: Types.Covariant<Table<Rpcs>>
  /**
   * Runs a task and gives its result. Interrupting the effect ends the task by the pool's escalation, and returns after
   * the task's finalizers have run. A task that still waits for a worker never starts.
   */
  readonly execute: <const Tag extends TaskTag<Rpcs>>(
    tag: Tag,
    ...args: Args<PayloadOf<Rpcs, Tag>>
  ) => Effect.Effect<
    Rpc.SuccessExit<Tagged<Rpcs, Tag>>,
    Rpc.ErrorExit<Tagged<Rpcs, Tag>> | Refusal<Tagged<Rpcs, Tag>> | Failure,
    Rpc.ServicesClient<Tagged<Rpcs, Tag>>
  >
  /**
   * Starts a task as a thread in the current scope. The thread is `Queued` while it waits for a worker. Client
   * middleware runs before the start, and its error fails the start.
   */
  readonly spawn: <const Tag extends TaskTag<Rpcs>>(
    tag: Tag,
    ...args: Args<PayloadOf<Rpcs, Tag>, [options?: Thread.SpawnOptions]>
  ) => Effect.Effect<
    Thread.Thread<Rpc.SuccessExit<Tagged<Rpcs, Tag>>, Rpc.ErrorExit<Tagged<Rpcs, Tag>> | Failure>,
    Refusal<Tagged<Rpcs, Tag>> | Failure,
    Rpc.ServicesClient<Tagged<Rpcs, Tag>> | Scope.Scope
  >
  /**
   * Runs a task to a Promise. The Promise settles after the task's finalizers, and after an abort rejects with
   * `signal.reason`. A task whose Schemas need services is run by `execute`.
   */
  readonly run: <const Tag extends Extract<TaskTag<Rpcs>, PlainTag<Rpcs>>>(
    tag: Tag,
    ...args: Args<PayloadOf<Rpcs, Tag>, [options?: { readonly signal?: AbortSignal | undefined }]>
  ) => Promise<Rpc.SuccessExit<Tagged<Rpcs, Tag>>>
  /**
   * Runs a task that gives a stream. The worker is at most a few chunks ahead of the consumer. Ending the stream early,
   * at any element, ends the task and waits for its finalizers.
   */
  readonly stream: <const Tag extends StreamTag<Rpcs>>(
    tag: Tag,
    ...args: Args<PayloadOf<Rpcs, Tag>>
  ) => Stream.Stream<
    Rpc.SuccessChunk<Tagged<Rpcs, Tag>>,
    Rpc.ErrorExit<Tagged<Rpcs, Tag>> | Refusal<Tagged<Rpcs, Tag>> | Failure,
    Rpc.ServicesClient<Tagged<Rpcs, Tag>>
  >
  /**
   * The capabilities of the pool's workers here, with the cause of each that is missing. Each worker reports about itself
   * when it is ready, so read the field again after the start of a worker.
   */
  readonly capabilities: Capabilities
  readonly status: Effect.Effect<Status>
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
 * Counts of a pool's workers and tasks. `missing`: how many workers are below the minimum because they died and could
 * not be restarted. The pool logs one warning and tries again after pauses of at most 30 seconds. A killed worker and its
 * tasks are not counted, even if native code delays the end of the worker: another worker has taken its place.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Status {
  readonly workers: number
  readonly missing: number
  readonly running: number
  readonly queued: number
}

/**
 * The pool of a contract, as in `WorkerPool.Of<typeof Tasks>`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Of<Group extends RpcGroup.Any> = WorkerPool<RpcGroup.Rpcs<Group>>

/**
 * The escalation of a task that is ended without one.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const defaultEscalation: Escalation.Escalation = PoolOptions.defaultEscalation

/**
 * Makes a pool in the current scope and waits until its first workers are ready. When the scope closes, the tasks end
 * by their escalations, and then the workers end. Nothing is left behind.
 *
 * Fails with `SpawnFailed` if no worker can be started in five attempts, and dies with `InvalidOption`. If no worker starts
 * later, tasks fail with `SpawnFailed` until a worker has started; the pool keeps trying.
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
export const make = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: Options
): Effect.Effect<WorkerPool<Rpcs>, WorkerError.WorkerError, Scope.Scope | Rpc.MiddlewareClient<Rpcs>> =>
  Effect.gen(function* () {
    const through = yield* ClientMiddleware.of(group.requests, yield* Effect.context<never>())
    const { capabilities, dispatcher, hostLeases } = yield* openContractPool(options, Array.from(group.requests.keys()))
    return new Pool(
      group.requests,
      dispatcher,
      capabilities,
      options.escalation ?? defaultEscalation,
      hostLeases,
      through
    ) as unknown as WorkerPool<Rpcs>
  })

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
  // A pool of fewer tasks is not the service of a tag with more.
  options: [WorkerPool<Rpcs>] extends [Service] ? Options : LacksTasksOf<Service>
): Layer.Layer<Self, WorkerError.WorkerError, Exclude<Rpc.MiddlewareClient<Rpcs>, Scope.Scope>> =>
  // The type of the options has checked that the pool is the service.
  Layer.effect(tag, make(group, options as Options) as unknown as Made<Service, Rpcs>)

type Made<Service, Rpcs extends Rpc.Any> = Effect.Effect<
  Service,
  WorkerError.WorkerError,
  Scope.Scope | Rpc.MiddlewareClient<Rpcs>
>

/** An entry of the contract, on the host. */
interface Entry {
  readonly codec: TaskCodec
  readonly options: Thread.SpawnOptions
  /** Undefined if the contract has no middleware. */
  readonly through: ClientMiddleware.Through | undefined
}

type OnChunk = (values: ReadonlyArray<unknown>) => void

/** The untyped pool. `WorkerPool` checks the contract's types. */
class Pool {
  readonly [TypeId]: (_: never) => never = identity
  private readonly entries: ReadonlyMap<string, Entry>
  private readonly dispatcher: Dispatcher<RemoteTask>
  private readonly hostLeases: Leases
  private readonly poolCapabilities: PoolCapabilities

  constructor(
    requests: ReadonlyMap<string, Rpc.Any>,
    dispatcher: Dispatcher<RemoteTask>,
    capabilities: PoolCapabilities,
    escalation: Escalation.Escalation,
    hostLeases: Leases,
    through: ReadonlyMap<string, ClientMiddleware.Through>
  ) {
    this.entries = new Map(
      Array.from(requests, ([name, rpc]): [string, Entry] => [
        name,
        // Every Rpc has its schemas; the group's type only forgets them.
        {
          codec: Codec.of(rpc as unknown as Rpc.AnyWithProps),
          options: { escalation, name },
          through: through.get(name)
        }
      ])
    )
    this.poolCapabilities = capabilities
    this.dispatcher = dispatcher
    this.hostLeases = hostLeases
  }

  get capabilities(): Capabilities {
    return this.poolCapabilities.current
  }

  get status(): Effect.Effect<Status> {
    return Effect.sync(() => this.dispatcher.status)
  }

  readonly execute = (tag: string, payload: unknown): Effect.Effect<unknown, unknown> => {
    const entry = this.entries.get(tag)
    if (entry === undefined) return unknownTask(tag)
    if (entry.codec.element !== undefined) return wrongKind(tag, true)
    if (entry.through !== undefined) return this.spawnAndJoin(tag, payload)
    return Effect.withFiber((fiber) => {
      const transfers: Array<unknown> = []
      const encoding = entry.codec.payload.encode(payload, transfers)
      if (!Exit.isExit(encoding) || Exit.isFailure(encoding) || !this.dispatcher.hasRoom)
        return this.spawnAndJoin(tag, payload)
      return ThreadAdapter.execute(
        (cell) => this.take(fiber, cell, entry.codec, encoding.value, transfers, undefined),
        entry.options
      )
    })
  }

  /** The failure of a finalizer of an interrupted task is in the Cause. */
  private spawnAndJoin(tag: string, payload: unknown): Effect.Effect<unknown, unknown> {
    const spawned = ThreadAdapter.reportingCleanup(this.spawn(tag, payload), (thread) => thread, Effect.failCause)
    return Effect.scoped(Effect.flatMap(spawned, Thread.join))
  }

  readonly run = (
    tag: string,
    payload: unknown,
    options?: { readonly signal?: AbortSignal | undefined }
  ): Promise<unknown> => Abort.run(this.execute(tag, payload), options)

  readonly stream = (tag: string, payload: unknown): Stream.Stream<unknown, unknown> =>
    streamOf((onChunk) => this.start(tag, payload, undefined, onChunk))

  readonly spawn = (
    tag: string,
    payload: unknown,
    options?: Thread.SpawnOptions
  ): Effect.Effect<Thread.Thread<unknown, unknown>, unknown, Scope.Scope> =>
    Effect.map(this.start(tag, payload, options, undefined), ({ thread }) => thread)

  private start(
    tag: string,
    payload: unknown,
    options: Thread.SpawnOptions | undefined,
    onChunk: OnChunk | undefined
  ): Effect.Effect<Started, unknown, Scope.Scope> {
    const entry = this.entries.get(tag)
    if (entry === undefined) return unknownTask(tag)
    const isStream = entry.codec.element !== undefined
    if (isStream !== (onChunk !== undefined)) return wrongKind(tag, isStream)
    const { through } = entry
    if (through === undefined) return this.send(tag, entry, payload, options, onChunk)
    // The thread belongs to the caller's scope, although a middleware may have a scope of its own.
    return Effect.flatMap(Effect.scope, (scope) =>
      through(payload, (envelope) => Scope.provide(this.send(tag, entry, envelope, options, onChunk), scope))
    )
  }

  private send(
    tag: string,
    entry: Entry,
    payload: unknown,
    options: Thread.SpawnOptions | undefined,
    onChunk: OnChunk | undefined
  ): Effect.Effect<Started, unknown, Scope.Scope> {
    const { codec } = entry
    const transfers: Array<unknown> = []
    const encoding = Effect.mapError(codec.payload.encode(payload, transfers), (problem) =>
      WorkerError.make({ _tag: "NotSendable", task: tag, problem })
    )
    return Effect.flatMap(encoding, (encoded) =>
      Effect.flatMap(this.dispatcher.admit(), () => {
        let task: RemoteTask | undefined
        const spawned = ThreadAdapter.spawn<unknown, unknown, never, never>(
          (cell) =>
            Effect.withFiberSucceed((fiber) => {
              task = this.take(fiber, cell, codec, encoded, transfers, onChunk)
              return task
            }),
          { ...entry.options, ...options }
        )
        return Effect.map(spawned, (thread): Started => ({ thread, task: task! }))
      })
    )
  }

  private take(
    fiber: Fiber.Fiber<unknown, unknown>,
    cell: ThreadAdapter.RemoteThread<unknown, unknown>,
    codec: TaskCodec,
    payload: unknown,
    transfers: ReadonlyArray<unknown>,
    onChunk: OnChunk | undefined
  ): RemoteTask {
    const task = new RemoteTask({
      cell,
      codec,
      payload,
      transfers,
      context: fiber.context,
      deadline: fiber.getRef(Deadline.Current),
      dialect: contractDialect,
      hostLeases: this.hostLeases,
      parentTask: fiber.getRef(CurrentTask.Current),
      events: this.dispatcher.events,
      span: CallSpan.of(fiber, codec.name)
    })
    task.onChunk = onChunk
    this.dispatcher.submit(task)
    return task
  }
}

/**
 * Whether a value is a pool that `WorkerPool.make` made, of any contract.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isWorkerPool = (value: unknown): value is WorkerPool<Rpc.Any> =>
  readOr(() => Predicate.hasProperty(value, TypeId), false)

const wrongKind = (task: string, isStream: boolean): Effect.Effect<never> =>
  Effect.die(WorkerError.make({ _tag: "WrongKind", task, isStream }))

const unknownTask = (task: string): Effect.Effect<never> => Effect.die(WorkerError.make({ _tag: "UnknownTask", task }))
