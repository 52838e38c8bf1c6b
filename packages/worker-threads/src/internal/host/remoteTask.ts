/**
 * The host's side of one task: the controls of its thread while the task is queued, runs or has ended.
 *
 * Invariants:
 * 1. The state moves from Queued to Running to Ended, or from Queued to NeverStarted. A task that ends while it is queued
 *    is never sent.
 * 2. The thread is settled once: by the worker's exit, by the end of the worker, or before anything was sent. Before
 *    that, all host leases of the task are released.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as ForcedEnd from "@quiesce/core/ForcedEnd"
import type * as ThreadAdapter from "@quiesce/core/adapter"
import { messageOf } from "@quiesce/core/internal"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scheduler from "effect/Scheduler"
import * as WorkerError from "../../WorkerError.ts"
import type { Dialect, Transferred } from "../wire/dialect.ts"
import { immediate, isDone, type Problem, type TaskCodec } from "../wire/wire.ts"
import type * as CurrentTask from "../wire/currentTask.ts"
import type { Keeper, Leases } from "../leases/keeper.ts"
import type { CallSpan } from "./callSpan.ts"
import type { CallSettings } from "./callSettings.ts"
import { MirroredLeases } from "./mirroredLeases.ts"
import type { PoolEvents } from "./poolEvents.ts"
import type { PoolTask } from "./poolWorker.ts"
import { type Receiver, RemoteRaises } from "./remoteRaises.ts"
import { RunLimit } from "./runLimit.ts"
import { withCleanup } from "./taskCleanup.ts"
import { isOver, neverStarted, over, type State, unassigned } from "./taskState.ts"
import type { TaskWorker } from "./taskWorker.ts"
import type { EncodedExit, ToHost, ToWorker } from "../wire/message.ts"

const none: ReadonlyArray<never> = []

export class RemoteTask implements ThreadAdapter.Controls, PoolTask, Receiver {
  /** The worker's name for the task; 0 before the task has a worker. */
  id = 0
  readonly codec: TaskCodec
  /** The encoded payload; undefined once the payload has been sent. */
  payload: unknown
  transfers: ReadonlyArray<unknown>
  /** In milliseconds since the epoch. It may come nearer when the run starts. */
  deadline: number
  readonly priority: number
  waitingSince = 0
  readonly thread: ThreadAdapter.RemoteThread<unknown, unknown>
  /** Called with each chunk of a stream. */
  onChunk: ((values: ReadonlyArray<unknown>) => void) | undefined = undefined
  private state: State<RemoteTask> = unassigned
  /** The chunks that the host has asked for and not yet received. */
  private credits = 0
  private unsentPulls = 0
  private stopReason: CancelReason.CancelReason | undefined = undefined
  /** The encoded reason of the first interrupt that was sent. */
  private asked: unknown = undefined
  private raises: RemoteRaises | undefined = undefined
  private readonly limit: RunLimit | undefined
  private leases: MirroredLeases | undefined = undefined
  private readonly context: Context.Context<never>
  private readonly dialect: Dialect
  private readonly hostLeases: Leases
  private readonly parentTask: CurrentTask.Task | undefined
  private readonly events: PoolEvents | undefined
  readonly span: CallSpan | undefined
  private keeper: Keeper | undefined = undefined

  constructor(options: {
    readonly thread: ThreadAdapter.RemoteThread<unknown, unknown>
    readonly codec: TaskCodec
    readonly payload: unknown
    readonly transfers: ReadonlyArray<unknown>
    /** Has the services with which the result is decoded. */
    readonly context: Context.Context<never>
    readonly deadline: number
    readonly settings: CallSettings
    readonly dialect: Dialect
    readonly hostLeases: Leases
    /** The task that started this task, if the thread is a worker. */
    readonly parentTask: CurrentTask.Task | undefined
    readonly events?: PoolEvents | undefined
    readonly span?: CallSpan | undefined
  }) {
    this.events = options.events
    this.span = options.span
    this.thread = options.thread
    this.codec = options.codec
    this.payload = options.payload
    this.transfers = options.transfers
    this.context = options.context
    this.deadline = options.deadline
    this.priority = options.settings.priority
    this.limit = RunLimit.of(options.settings.millis)
    this.dialect = options.dialect
    this.hostLeases = options.hostLeases
    this.parentTask = options.parentTask
  }

  get name(): string {
    return this.thread.name
  }

  // ---- From the queue to a worker ----

  /** Must be sent at once: the caller may change the payload later. */
  get sendable(): Transferred {
    return (this.transfers.length === 0 ? this.dialect.transferred(this.payload) : undefined) ?? this
  }

  enqueued(dequeue: () => void): void {
    this.state = { _tag: "Queued", dequeue }
    this.events?.queued(this)
  }

  /** A worker has a slot for the task, and sends its start next. */
  assigned(id: number, worker: TaskWorker<RemoteTask>, slot: number): void {
    this.id = id
    this.state = { _tag: "Running", worker, slot }
    this.thread.started("worker", worker.threadId)
    this.events?.started(this)
    this.span?.started()
    if (this.limit === undefined) return
    this.limit.start((reason) => void Effect.runFork(this.end(reason)))
    this.deadline = Math.min(this.deadline, this.limit.deadline)
  }

  /** The start has been sent: sends the requests that were made before. */
  sent(): void {
    this.payload = undefined
    this.transfers = none
    if (this.state._tag !== "Running") return
    const { slot, worker } = this.state
    if (this.unsentPulls > 0) worker.send({ _tag: "Pull", id: this.id, count: this.unsentPulls })
    if (this.stopReason !== undefined) worker.stop(this.id, slot, this.dialect.reasonToWire(this.stopReason))
    this.raises?.sendUnsent()
  }

  /** Lets the task's stream send more chunks. */
  pull(count: number): void {
    this.credits += count
    if (this.state._tag === "Running") this.state.worker.send({ _tag: "Pull", id: this.id, count })
    else this.unsentPulls += count
  }

  /** The worker sends its first chunk without a pull, and each later one for a pull. */
  expectFirstChunk(): void {
    this.credits++
  }

  /** Receives a message about this task from the worker. */
  receive(message: Extract<ToHost, { readonly id: number }>): void {
    switch (message._tag) {
      case "Exit":
        return this.exited(message.exit)
      case "Unsendable":
        return this.fail(
          WorkerError.make({ _tag: "ResultNotSendable", task: this.codec.name, problem: message.problem })
        )
      case "Chunk":
        return this.received(message.values)
      case "LeaseHeld":
        return this.held(message.lease, message.name)
      case "LeaseEnded":
        return this.leaseEnded(message)
      case "Acquire":
      case "Release":
        return this.leaseKeeper()?.receive(message)
    }
  }

  private received(values: ReadonlyArray<unknown>): void {
    if (this.state._tag !== "Running") return
    if (this.credits === 0) {
      return this.state.worker.refuse(`it sent more chunks of "${this.codec.name}" than the host had asked for`)
    }
    this.credits--
    this.onChunk?.(values)
  }

  private held(lease: number, name: string): void {
    if (this.state._tag !== "Running") return
    const { allowance, refuse } = this.state.worker
    const leases = (this.leases ??= new MirroredLeases())
    if (leases.has(lease)) return refuse(`it reported the lease "${name}" under a number that is taken`)
    if (allowance.take()) leases.add(lease, name, this.thread.enter(name))
  }

  private leaseEnded({ error, result, lease }: Extract<ToHost, { readonly _tag: "LeaseEnded" }>): void {
    const isKnown = this.leases?.end(lease, result, error) === true
    if (isKnown && this.state._tag === "Running") this.state.worker.allowance.giveBack(1)
  }

  reserved(raise: number): void {
    if (this.state._tag === "Running") this.raises?.reserved(raise)
  }

  raised(raise: number, delivered: boolean): void {
    this.raises?.answer(raise, delivered)
  }

  get isOver(): boolean {
    return isOver(this.state)
  }

  send(message: ToWorker): boolean {
    if (this.state._tag !== "Running") return false
    this.state.worker.send(message)
    return true
  }

  encodeError(error: unknown): unknown {
    return this.dialect.errorToWire(error)
  }

  /** The task has ended with this value. */
  succeeded(encoded: unknown): void {
    const decoded = this.codec.success.decode(encoded)
    if (isDone(decoded)) this.settle(decoded)
    else this.exitedWith(Effect.map(decoded, Exit.succeed))
  }

  private exited(encoded: EncodedExit): void {
    this.exitedWith(this.dialect.exitFromWire(this.codec, encoded))
  }

  /** The worker reports the interruption without its reason: it is the reason that the worker got first. */
  interrupted(): void {
    if (this.asked !== undefined)
      return this.exited({ _tag: "Failure", cause: [{ _tag: "Interrupt", reason: this.asked }] })
    if (this.state._tag === "Running")
      this.state.worker.refuse(`it interrupted "${this.codec.name}", for which the host had not asked`)
  }

  private exitedWith(decoding: Effect.Effect<Exit.Exit<unknown, unknown>, Problem>): void {
    const now = immediate(decoding)
    if (now !== undefined) return this.settle(now)
    // The caller's scheduler may stop in the middle.
    const services = Context.omit(Scheduler.Scheduler)(this.context)
    Effect.runForkWith(services)(decoding).addObserver((exit) => {
      if (Exit.isSuccess(exit)) return this.settle(exit.value)
      const problem = messageOf(Cause.squash(exit.cause))
      this.fail(WorkerError.make({ _tag: "BadReply", task: this.codec.name, problem }))
    })
  }

  /** The worker has ended, by itself or by a kill. */
  lost(killed: CancelReason.CancelReason | undefined, error: WorkerError.WorkerError): void {
    // Host leases are not lost: they are released before the thread is settled.
    const lost = this.leases?.names ?? none
    const cause =
      killed === undefined
        ? ForcedEnd.annotate(Cause.fail(error), ForcedEnd.crashed(this.thread.name, lost))
        : ForcedEnd.annotate(CancelReason.toCause(killed), ForcedEnd.killed(this.thread.name, lost))
    this.settle(Exit.failCause(cause))
  }

  notSendable(problem: string): void {
    this.fail(WorkerError.make({ _tag: "NotSendable", task: this.codec.name, problem }))
  }

  fail(error: WorkerError.WorkerError): void {
    this.settle(Exit.fail(error))
  }

  end(reason: CancelReason.CancelReason): Effect.Effect<void> {
    return this.thread.end(reason)
  }

  cancel(reason: CancelReason.CancelReason): void {
    if (this.state._tag === "Queued") this.settle(Exit.failCause(CancelReason.toCause(reason)))
  }

  private settle(ended: Exit.Exit<unknown, unknown>): void {
    const { state } = this
    if (isOver(state)) return
    const exit = this.limit === undefined ? ended : this.limit.exitOf(ended, this.context)
    // The metrics distinguish an end by the limit from a failure of the task itself.
    this.events?.ended(this, ended)
    this.state = state._tag === "Queued" ? neverStarted : over
    if (state._tag === "Queued") state.dequeue()
    else {
      state.worker.allowance.giveBack(this.leases?.size ?? 0)
      state.worker.taskEnded(this, state.slot)
    }
    const { keeper } = this
    if (keeper === undefined || keeper.isEmpty) this.settleCell(exit)
    else Effect.runFork(keeper.close(exit)).addObserver((closed) => this.settleCell(withCleanup(exit, closed)))
    this.raises?.end()
  }

  private settleCell(exit: Exit.Exit<unknown, unknown>): void {
    this.span?.ended(exit)
    this.thread.settle(exit)
  }

  /** Made when the worker asks for its first host lease. */
  private leaseKeeper(): Keeper | undefined {
    if (this.state._tag !== "Running") return undefined
    const { worker } = this.state
    return (this.keeper ??= this.hostLeases.keeperFor({
      broker: this.parentTask?.broker,
      id: this.id,
      enter: this.thread.enter.bind(this.thread),
      send: (message, transfers) => worker.sendNow(message, transfers ?? []),
      allowance: worker.allowance,
      tracing: this.span?.context
    }))
  }

  // ---- Controls ----

  get hasStarted(): boolean {
    return this.state._tag === "Running" || this.state._tag === "Ended"
  }

  requestStop(reason: CancelReason.CancelReason): Effect.Effect<void> {
    return Effect.sync(() => {
      this.stopReason = reason
      if (this.state._tag === "Running")
        this.state.worker.stop(this.id, this.state.slot, this.dialect.reasonToWire(reason))
    })
  }

  requestInterrupt(reason: CancelReason.CancelReason): Effect.Effect<void> {
    return Effect.sync(() => this.interruptUnsafe(reason))
  }

  interruptUnsafe(reason: CancelReason.CancelReason): void {
    this.limit?.interrupted()
    if (this.state._tag === "Running") {
      const encoded = this.dialect.reasonToWire(reason)
      this.asked ??= encoded
      this.state.worker.interrupt(this.id, this.state.slot, encoded)
    } else this.settle(Exit.failCause(CancelReason.toCause(reason)))
  }

  raise(error: unknown, pending?: (withdraw: () => void) => void): Effect.Effect<boolean> {
    return (this.raises ??= new RemoteRaises(this)).raise(error, pending)
  }

  get unwind(): Option.Option<Effect.Effect<ThreadAdapter.UnwindOutcome>> {
    if (this.state._tag !== "Running" || this.unwindProblem !== undefined) return Option.none()
    const { worker } = this.state
    return Option.map(worker.unwinder, (unwind) => unwind(this.id))
  }

  get unwindProblem(): string | undefined {
    if (this.state._tag !== "Running") return undefined
    const { unwind } = this.state.worker
    return unwind._tag === "None" ? unwind.why : undefined
  }

  get kill(): Option.Option<(reason: CancelReason.CancelReason) => Effect.Effect<void>> {
    return Option.some((reason) =>
      Effect.suspend(() => {
        this.limit?.interrupted()
        return this.state._tag === "Running" ? this.state.worker.kill(this, reason) : Effect.void
      })
    )
  }

  exitWhenAbandoned(exit: Exit.Exit<never, never>): Exit.Exit<unknown, unknown> {
    return this.limit === undefined ? exit : this.limit.exitOf(exit, this.context)
  }

  get runsOn(): string | undefined {
    return this.state._tag === "Running" ? `worker ${this.state.worker.threadId}` : undefined
  }

  get locate(): Effect.Effect<Option.Option<string>> {
    return Effect.suspend(() => (this.state._tag === "Running" ? this.state.worker.locate : Effect.succeedNone))
  }
}
