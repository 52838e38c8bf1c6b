/** A pool of workers for the tasks of a contract, without the types of the contract. */
import * as Abort from "@quiesce/core/Abort"
import type * as CancelReason from "@quiesce/core/CancelReason"
import * as Deadline from "@quiesce/core/Deadline"
import type * as Escalation from "@quiesce/core/Escalation"
import { isAbortSignal, textOf } from "@quiesce/core/internal"
import * as Thread from "@quiesce/core/Thread"
import * as ThreadAdapter from "@quiesce/core/adapter"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Rpc from "effect/rpc/Rpc"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as WorkerError from "../../WorkerError.ts"
import * as Codec from "../wire/codec.ts"
import { contractDialect } from "../wire/contractDialect.ts"
import type { HostLeases } from "../leases/leaseKeeper.ts"
import * as TaskHandlers from "../leases/taskHandlers.ts"
import * as CurrentTask from "../wire/currentTask.ts"
import type { Capabilities } from "../wire/handshake.ts"
import { isDone, type TaskCodec } from "../wire/wire.ts"
import { wrongArgument } from "../wire/wrongArgument.ts"
import type { Ticket } from "./admissions.ts"
import { type CallOptions, type CallSettings, settingsOf } from "./callSettings.ts"
import { CallSpan } from "./callSpan.ts"
import type * as ClientMiddleware from "./clientMiddleware.ts"
import type { DrainReport } from "./draining.ts"
import { type DrainOptions, drainSettings } from "./drainOptions.ts"
import type { OpenedPool } from "./openPool.ts"
import { type PoolSize, sizeOf } from "./poolSize.ts"
import type { Status } from "./poolStatus.ts"
import type { PoolWorker } from "./poolWorker.ts"
import { type Started, streamOf } from "./remoteStream.ts"
import { RemoteTask } from "./remoteTask.ts"
import type { QueuedTask } from "./taskQueue.ts"

/** An entry of the contract, on the host. */
interface Entry {
  readonly codec: TaskCodec
  readonly options: Thread.SpawnOptions
  /** Undefined if the contract has no middleware. */
  readonly through: ClientMiddleware.Through | undefined
}

type OnChunk = (values: ReadonlyArray<unknown>) => void
type SpawnOptions = Thread.SpawnOptions & CallOptions
type RunOptions = CallOptions & { readonly signal?: AbortSignal | undefined }

/** A task to be sent. */
interface Sending {
  readonly tag: string
  readonly entry: Entry
  readonly options: SpawnOptions | undefined
  readonly settings: CallSettings
  readonly onChunk: OnChunk | undefined
  /** The only worker that may run the task. */
  readonly worker?: Worker | undefined
}

type Worker = PoolWorker<RemoteTask>

export class ContractPool {
  private readonly entries: ReadonlyMap<string, Entry>
  private readonly opened: OpenedPool<HostLeases>

  constructor(
    requests: ReadonlyMap<string, Rpc.Any>,
    opened: OpenedPool<HostLeases>,
    escalation: Escalation.Escalation,
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
    this.opened = opened
  }

  get capabilities(): Capabilities {
    return this.opened.capabilities.current
  }

  get status(): Effect.Effect<Status> {
    return Effect.sync(() => this.opened.dispatcher.status)
  }

  get queued(): Effect.Effect<ReadonlyArray<QueuedTask>> {
    return Effect.sync(() => this.opened.dispatcher.queued)
  }

  readonly cancelQueued = (options?: {
    readonly reason?: CancelReason.CancelReason | undefined
  }): Effect.Effect<number> => Effect.sync(() => this.opened.dispatcher.cancelQueued(options?.reason))

  readonly drain = (options?: DrainOptions): Effect.Effect<DrainReport> => {
    const settings = drainSettings(options)
    if (settings instanceof WorkerError.WorkerError) return Effect.die(settings)
    const { dispatcher, hostLeases } = this.opened
    return Effect.tap(dispatcher.drain(settings.millis, settings.queued), () => hostLeases.idle)
  }

  readonly resize = (size: PoolSize): Effect.Effect<void, WorkerError.WorkerError> =>
    Effect.suspend(() => {
      const checked = sizeOf(size)
      return checked instanceof WorkerError.WorkerError ? Effect.die(checked) : this.opened.dispatcher.resize(checked)
    })

  readonly execute = (tag: string, payload: unknown, options?: CallOptions): Effect.Effect<unknown, unknown> => {
    const entry = this.entries.get(tag)
    if (entry === undefined) return unknownTask(tag)
    if (entry.codec.element !== undefined) return wrongKind(tag, true)
    if (entry.through !== undefined) return this.spawnAndJoin(tag, payload, options)
    const settings = options === undefined ? this.opened.settings : settingsOf(options, this.opened.settings)
    if (settings instanceof WorkerError.WorkerError) return Effect.die(settings)
    return Effect.withFiber((fiber) => {
      const { codec } = entry
      const encoded = encodedNow(codec, payload)
      if (encoded === undefined || !this.opened.dispatcher.hasRoom) return this.spawnAndJoin(tag, payload, options)
      const call = { codec, settings, payload: encoded.payload, transfers: encoded.transfers, onChunk: undefined }
      return ThreadAdapter.executeIn(
        fiber,
        (thread) => this.take(fiber, thread, call, undefined),
        options?.name === undefined ? entry.options : { ...entry.options, name: options.name }
      )
    })
  }

  /** The failure of a finalizer of an interrupted task is in the Cause. */
  private spawnAndJoin(
    tag: string,
    payload: unknown,
    options: CallOptions | undefined,
    worker?: Worker
  ): Effect.Effect<unknown, unknown> {
    const spawned = ThreadAdapter.reportingCleanup(
      this.start(tag, payload, options, undefined, worker),
      ({ thread }) => thread,
      Effect.failCause
    )
    return Effect.scoped(Effect.flatMap(spawned, ({ thread }) => Thread.join(thread)))
  }

  readonly broadcast = (
    tag: string,
    payload: unknown,
    options?: CallOptions
  ): Effect.Effect<ReadonlyArray<Exit.Exit<unknown, unknown>>, WorkerError.WorkerError> => {
    const entry = this.entries.get(tag)
    if (entry === undefined) return unknownTask(tag)
    if (entry.codec.element !== undefined) return wrongKind(tag, true)
    const settings = settingsOf(options, this.opened.settings)
    if (settings instanceof WorkerError.WorkerError) return Effect.die(settings)
    return Effect.suspend(() => {
      const { audience } = this.opened.dispatcher
      if (audience instanceof WorkerError.WorkerError) return Effect.fail(audience)
      const onOne = (worker: Worker) => Effect.exit(this.spawnAndJoin(tag, payload, options, worker))
      return Effect.forEach(audience, onOne, { concurrency: "unbounded" })
    })
  }

  readonly run = (tag: string, payload: unknown, options?: RunOptions): Promise<unknown> => {
    const signal = options?.signal
    if (signal !== undefined && !isAbortSignal(signal))
      return Promise.reject(wrongArgument("signal", signal, "an AbortSignal"))
    return Abort.run(this.observed(this.execute(tag, payload, options)), { signal })
  }

  private observed<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    const { observers } = this.opened
    return observers.mapUnsafe.size === 0 ? effect : Effect.provideContext(effect, observers)
  }

  readonly stream = (tag: string, payload: unknown, options?: CallOptions): Stream.Stream<unknown, unknown> =>
    streamOf((onChunk) => this.start(tag, payload, options, onChunk))

  readonly spawn = (
    tag: string,
    payload: unknown,
    options?: SpawnOptions
  ): Effect.Effect<Thread.Thread<unknown, unknown>, unknown, Scope.Scope> =>
    Effect.map(this.start(tag, payload, options, undefined), ({ thread }) => thread)

  private start(
    tag: string,
    payload: unknown,
    options: SpawnOptions | undefined,
    onChunk: OnChunk | undefined,
    worker?: Worker
  ): Effect.Effect<Started, unknown, Scope.Scope> {
    const entry = this.entries.get(tag)
    if (entry === undefined) return unknownTask(tag)
    const isStream = entry.codec.element !== undefined
    if (isStream !== (onChunk !== undefined)) return wrongKind(tag, isStream)
    const settings = settingsOf(options, this.opened.settings)
    if (settings instanceof WorkerError.WorkerError) return Effect.die(settings)
    const { through } = entry
    const sending: Sending = { tag, entry, options, settings, onChunk, worker }
    if (through === undefined) return this.send(sending, payload)
    // The thread belongs to the caller's scope, although a middleware may have a scope of its own.
    return Effect.flatMap(Effect.scope, (scope) =>
      through(payload, (envelope) => Scope.provide(this.send(sending, envelope), scope))
    )
  }

  private send(sending: Sending, payload: unknown): Effect.Effect<Started, unknown, Scope.Scope> {
    const { entry, onChunk, options, settings, tag, worker } = sending
    const { codec } = entry
    const { priority } = settings
    const name = options?.name ?? tag
    const transfers: Array<unknown> = []
    const encoding = Effect.mapError(codec.payload.encode(payload, transfers), (problem) =>
      WorkerError.make({ _tag: "NotSendable", task: tag, problem })
    )
    return Effect.flatMap(encoding, (encoded) => {
      // A broadcast copies its payload for each worker.
      const call = { codec, settings, payload: encoded, transfers: worker === undefined ? transfers : [], onChunk }
      const submit = (ticket: Ticket | undefined): Effect.Effect<Started, unknown, Scope.Scope> => {
        let task: RemoteTask | undefined
        const spawned = ThreadAdapter.spawn<unknown, unknown, never, never>(
          (thread) => Effect.withFiberSucceed((fiber) => (task = this.take(fiber, thread, call, ticket, worker))),
          { ...entry.options, ...options }
        )
        return Effect.map(spawned, (thread): Started => ({ thread, task: task! }))
      }
      return worker === undefined
        ? this.opened.dispatcher.admit({ name, task: tag, priority }, submit)
        : submit(undefined)
    })
  }

  private take(
    fiber: Fiber.Fiber<unknown, unknown>,
    thread: ThreadAdapter.RemoteThread<unknown, unknown>,
    call: Call,
    ticket: Ticket | undefined,
    worker?: Worker
  ): RemoteTask {
    const { dispatcher, hostLeases } = this.opened
    const task = new RemoteTask({
      thread,
      codec: call.codec,
      payload: call.payload,
      transfers: call.transfers,
      settings: call.settings,
      context: fiber.context,
      deadline: fiber.getRef(Deadline.Current),
      dialect: contractDialect,
      hostLeases: hostLeases.with(fiber.getRef(TaskHandlers.Current)),
      parentTask: fiber.getRef(CurrentTask.Current),
      events: dispatcher.events,
      span: CallSpan.of(fiber, call.codec.name)
    })
    task.onChunk = call.onChunk
    if (worker === undefined) dispatcher.submit(task, ticket)
    else dispatcher.submitTo(worker, task)
    return task
  }
}

/** The encoded call of a task. */
interface Call {
  readonly codec: TaskCodec
  readonly settings: CallSettings
  readonly payload: unknown
  readonly transfers: ReadonlyArray<unknown>
  readonly onChunk: OnChunk | undefined
}

/** The payload as it is sent. Undefined if its encoding takes more than one step or fails. */
const encodedNow = (
  { payload: wire }: TaskCodec,
  payload: unknown
): Pick<Call, "payload" | "transfers"> | undefined => {
  if (wire.isPlain) return { payload, transfers: none }
  const transfers: Array<unknown> = []
  const encoding = wire.encode(payload, transfers)
  return isDone(encoding) ? { payload: encoding.value, transfers } : undefined
}

const none: ReadonlyArray<never> = []

const wrongKind = (task: string, isStream: boolean): Effect.Effect<never> =>
  Effect.die(WorkerError.make({ _tag: "WrongKind", task, isStream }))

/** A user without types may give a tag that is no text, such as a symbol. */
const unknownTask = (tag: unknown): Effect.Effect<never> =>
  Effect.die(WorkerError.make({ _tag: "UnknownTask", task: typeof tag === "string" ? tag : textOf(tag) }))
