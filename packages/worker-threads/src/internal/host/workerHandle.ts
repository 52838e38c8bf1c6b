/**
 * One worker thread on the host: its ports, its slots, its tasks and its end.
 *
 * Invariants:
 * 1. A slot is free or belongs to one task in `tasks`. The slot's row of the control block is cleared before its next
 *    task is sent.
 * 2. When the worker is gone, for any cause, each task in `tasks` is settled; then `gone` is called, once.
 * 3. A gone worker leaves no listener, port, timer, inspector session or thread behind.
 * 4. A worker gets no task once its end is near. Messages from before its end count.
 * 5. No listener throws for any data of the worker: a problem ends the worker.
 */
import type { MessagePort, Worker } from "node:worker_threads"
import type * as CancelReason from "@quiesce/core/CancelReason"
import type { UnwindOutcome } from "@quiesce/core/adapter"
import { messageOf } from "@quiesce/core/internal"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ControlBlock from "../wire/controlBlock.ts"
import { type Unwind, wakeUp } from "../wire/handshake.ts"
import { closeMillis, startingCloseMillis } from "./closeMillis.ts"
import { cutName, type ToHost, type ToWorker } from "../wire/message.ts"
import { messagesToHost } from "../wire/toHost.ts"
import { ThreadDeaths } from "../locks/threadDeaths.ts"
import { Allowance } from "../leases/allowance.ts"
import { HostOutbox } from "./hostOutbox.ts"
import * as Interrupts from "./interrupts.ts"
import type { Parsed } from "./poolOptions.ts"
import type { PoolCapabilities } from "./poolCapabilities.ts"
import type { PoolWorker, WorkerListener } from "./poolWorker.ts"
import * as WorkerInspector from "../unwind/host/workerInspector.ts"
import type { RemoteTask } from "./remoteTask.ts"
import { remainingMessages } from "./remainingMessages.ts"
import { SlotTable } from "../wire/slotTable.ts"
import { type Spawn, spawnWorker } from "./spawnWorker.ts"
import type { Listener as FromRing, TaskRings } from "./taskRings.ts"
import type { TaskWorker } from "./taskWorker.ts"
import { atEnd, Termination } from "./termination.ts"
import * as WorkerEnds from "./workerEnds.ts"
import { WorkerProblem } from "./workerProblem.ts"
import * as WorkerState from "./workerState.ts"

export class WorkerHandle implements TaskWorker<RemoteTask>, PoolWorker<RemoteTask>, WorkerEnds.WorkerEvents {
  readonly tasks: SlotTable<RemoteTask>
  readonly allowance: Allowance = new Allowance((problem) => this.refuse(problem))
  readonly worker: Worker
  readonly threadId: number
  /** Needed after the end of the worker, when its `threadId` is no longer known. */
  private readonly threadDeaths: ThreadDeaths
  private readonly port: MessagePort
  readonly control: ControlBlock.ControlBlock
  private readonly outbox: HostOutbox<ToWorker>
  private readonly rings: TaskRings
  private readonly listener: WorkerListener<RemoteTask>
  private readonly slots: WorkerEnds.FreeSlots
  private state: WorkerState.State<RemoteTask>
  wasReady: boolean
  private readonly problem: WorkerProblem = new WorkerProblem()
  private readonly capabilities: PoolCapabilities
  /** The code that can be ended in this worker. */
  unwind: Unwind
  /** None if there is no inspector. */
  private readonly inspector: Option.Option<WorkerInspector.WorkerInspector>
  private readonly termination: Termination
  private readonly whenGone: Deferred.Deferred<void> = Deferred.makeUnsafe()
  private unlistenEnds: () => void = () => {}

  /** `started` is a worker that the handle takes over. Otherwise the handle starts a worker. */
  constructor(
    spawn: Spawn,
    { concurrency, startMillis }: Parsed,
    names: ReadonlyArray<string>,
    capabilities: PoolCapabilities,
    listener: WorkerListener<RemoteTask>,
    started?: WorkerEnds.StartedWorker
  ) {
    const ends = started?.ends ?? WorkerEnds.make(concurrency, names, this.fromRing)
    this.port = ends.port
    this.control = ends.control
    this.rings = ends.rings
    this.rings.listener = this.fromRing
    this.listener = listener
    this.tasks = new SlotTable(ControlBlock.slots(this.control), started?.turn)
    this.wasReady = started?.wasReady === true
    this.slots = new WorkerEnds.FreeSlots(concurrency, started?.slots ?? WorkerEnds.slotsOf(concurrency))
    this.capabilities = capabilities
    this.unwind = capabilities.ofProcess.unwind
    this.inspector = this.unwind._tag === "None" || started?.isGone === true ? Option.none() : this.inspectorOf()
    try {
      const given = { ...ends.given, capabilities: capabilities.measured }
      this.worker = started?.worker ?? spawnWorker(spawn, given, ends.remote)
      if (Option.isSome(this.inspector)) this.inspector.value.open(this.worker)
    } catch (cause) {
      if (Option.isSome(this.inspector)) this.inspector.value.over()
      ends.port.close()
      throw cause
    }
    const threads = (): ThreadDeaths["all"] => this.threadDeaths.all
    this.termination = new Termination(this.worker, atEnd(this.inspector, threads))
    this.outbox = new HostOutbox<ToWorker>(this.rings)
    this.outbox.onUnsendable = (message, cause) => {
      if (message._tag === "Start") this.tasks.get(message.id)?.notSendable(messageOf(cause))
    }
    this.threadDeaths = new ThreadDeaths((this.threadId = started?.threadId ?? this.worker.threadId), this.refuse)
    const problem = `it was not ready within ${startMillis} ms`
    this.state = { _tag: "Starting", startTimer: setTimeout(() => this.fail(problem), startMillis) }
    this.unlistenEnds = WorkerEnds.listen(this.worker, this.port, this)
  }

  /** Without a line nothing can be ended. */
  private inspectorOf(): Option.Option<WorkerInspector.WorkerInspector> {
    const failed = (why: string): void => void (this.unwind = this.capabilities.report({ _tag: "None", why }, null))
    return WorkerInspector.make(this.control, this, this.capabilities.permission, failed)
  }

  get isReady(): boolean {
    return this.state._tag === "Ready"
  }

  get isStarting(): boolean {
    return WorkerState.isStarting(this.state)
  }

  get isGone(): boolean {
    return this.state._tag === "Gone"
  }

  /** How many tasks the worker has ever taken. */
  get taken(): number {
    return this.tasks.turn
  }

  /** How many more tasks the worker can take. */
  get free(): number {
    return this.isReady ? this.slots.size : 0
  }

  // ---- To the worker ----

  /** Sends a task to a free slot. */
  run(task: RemoteTask): void {
    const slot = this.slots.take()
    task.assigned(this.tasks.nextId(slot), this, slot)
    this.tasks.add(task)
    // A running task keeps the process alive.
    if (this.tasks.size === 1) this.worker.ref()
    ControlBlock.reset(this.control, slot, task.id, task.deadline)
    try {
      this.sendStart(task, slot)
    } catch (cause) {
      return task.notSendable(messageOf(cause))
    }
    task.sent()
  }

  /** Takes over a task that the worker runs already. */
  adopt(task: RemoteTask, id: number, slot: number): void {
    task.assigned(id, this, slot)
    this.tasks.add(task)
    task.sent()
  }

  /** Throws if the payload can't be cloned. */
  private sendStart(task: RemoteTask, slot: number): void {
    const { id, span } = task
    const { payload, transfers } = task.sendable
    const [name, label] = [task.codec.name, cutName(task.thread.name)]
    const isSmall = transfers.length === 0 && label === name && span === undefined
    if (isSmall && this.rings.start(id, slot, name, payload)) return
    const message = { _tag: "Start", id, slot, task: name, name: label, payload, trace: span?.trace ?? null } as const
    return transfers.length > 0 ? this.outbox.putNow(message, transfers) : this.outbox.put(message)
  }

  stop(id: number, slot: number, reason: unknown): void {
    ControlBlock.raiseFlags(this.control, slot, ControlBlock.stopFlag)
    this.outbox.putSoon({ _tag: "Stop", id, reason: reason })
  }

  interrupt(id: number, slot: number, reason: unknown): void {
    ControlBlock.raiseFlags(this.control, slot, ControlBlock.stopFlag | ControlBlock.interruptFlag)
    // The message comes first, because the end of a section may be reported in the middle of any code of this thread.
    Interrupts.put(this.outbox, id, reason)
    if (Option.isSome(this.inspector)) this.inspector.value.interruptSection(id)
  }

  /** Sends a message at the end of the turn. */
  readonly send = (message: ToWorker): void => this.outbox.put(message)

  /** Sends a message at once. Throws if the message can't be cloned. */
  readonly sendNow: TaskWorker<RemoteTask>["sendNow"] = (message, transfers) => this.outbox.putNow(message, transfers)

  get unwinder(): Option.Option<(id: number) => Effect.Effect<UnwindOutcome>> {
    return Option.map(this.inspector, (reach) => (id) => reach.unwind(id))
  }

  get locate(): Effect.Effect<Option.Option<string>> {
    return Option.match(this.inspector, { onNone: () => Effect.succeedNone, onSome: (reach) => reach.locate })
  }

  /** Terminates the OS thread because of one task. The worker's other tasks end as crashed. */
  kill(task: RemoteTask, reason: CancelReason.CancelReason): Effect.Effect<void> {
    return Effect.sync(() => {
      const wasKilled = this.state._tag === "Killed"
      if (!this.dispatch({ _tag: "Killed", task, reason }) || wasKilled) return
      this.termination.begin()
      this.listener.leaving(this, undefined)
    })
  }

  /**
   * Asks the worker to end by itself, and terminates a worker that does not end in time. Completes when the worker is
   * gone.
   */
  get end(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const patience = this.isStarting ? startingCloseMillis : closeMillis
      return Effect.flatMap(Effect.timeoutOption(this.askToEnd(), patience), (ended) => {
        if (Option.isSome(ended)) return Effect.void
        this.termination.begin()
        // Native code can't be terminated. The process then goes on without waiting for the worker.
        return Effect.asVoid(Effect.timeoutOption(Deferred.await(this.whenGone), closeMillis))
      })
    })
  }

  private askToEnd(): Effect.Effect<void> {
    this.worker.ref()
    if (this.dispatch({ _tag: "Closed" })) {
      // An unwind of the last task may still be running; the inspector stays connected for it.
      if (this.tasks.size === 0 && Option.isSome(this.inspector)) this.inspector.value.close()
      this.outbox.putNow({ _tag: "Close" })
    }
    return Deferred.await(this.whenGone)
  }

  /** Moves to the state after an event. False if the event changes nothing. */
  private dispatch(event: WorkerState.Event<RemoteTask>): boolean {
    const before = this.state
    this.state = WorkerState.next(before, event)
    if (this.state === before) return false
    if (before._tag === "Starting") clearTimeout(before.startTimer)
    return true
  }

  /** A task has ended; its slot is free. */
  taskEnded(task: RemoteTask, slot: number): void {
    if (!this.tasks.delete(task)) return
    if (Option.isSome(this.inspector)) this.inspector.value.ended(task.id)
    this.slots.add(slot, this.tasks.size)
    if (this.tasks.size === 0) this.worker.unref()
    if (this.isReady) this.listener.idle(this)
  }

  // ---- From the worker ----

  private readonly fromRing: FromRing = {
    ended: (id, value) => this.guarded(this.succeeded, id, value),
    interrupted: (id) => this.guarded(() => this.tasks.get(id)?.interrupted()),
    sent: (messages) => this.guarded(() => this.receiveAll(messages)),
    fail: (problem) => this.refuse(problem)
  }

  private readonly succeeded = (id: number, value: unknown): void => this.tasks.get(id)?.succeeded(value)

  readonly onMessage = (raw: unknown): void =>
    this.guarded(() => {
      if (raw !== wakeUp) {
        // The messages of a task go through the ring until the first that does not.
        this.rings.readAll()
        this.receiveAll(raw)
      }
      this.rings.read()
    })

  private receiveAll(raw: unknown): void {
    for (const message of messagesToHost(raw)) this.guarded(() => this.receive(message))
  }

  /**
   * Runs code on data of the worker. Data that the code can't take ends the worker. The code gets the two arguments, so that
   * the end of a task makes no closure.
   */
  private guarded(run: (id: number, value: unknown) => void, id: number = 0, value?: unknown): void {
    if (this.state._tag === "Refused") return
    try {
      run(id, value)
    } catch (cause) {
      this.problem.caught(cause)
      this.refuse("it sent a message outside the protocol")
    }
  }

  /** Ends a worker after data outside the protocol. Later data of the worker does not count. */
  readonly refuse = (problem: string): void => {
    this.rings.drop()
    this.fail(problem, "Refused")
  }

  readonly onUnreadable = (): void => this.refuse("one of its messages could not be decoded")

  /** A worker closes its port when it ends. If the worker goes on instead, no message can reach it any more. */
  readonly onPortClosed = (): void => {
    if (this.state._tag === "Closing") return
    this.dispatch({ _tag: "Failed" })
    this.termination.beginAfterGrace()
  }

  private receive(message: ToHost): void {
    // The other messages are about the worker.
    if ("id" in message) return this.tasks.get(message.id)?.receive(message)
    switch (message._tag) {
      case "Ready":
        this.unwind = this.capabilities.report(message.unwind, message.problem, this.unwind)
        return this.attach()
      case "Failed":
        return this.problem.reported(message.problem)
      case "ThreadStarted":
        return void this.threadDeaths.threadStarted(message.threadId)
      case "ThreadEnded":
        return this.threadDeaths.threadEnded(message.threadId)
      case "Reserved":
        for (const task of this.tasks) task.reserved(message.raise)
        return
      case "Raised":
        for (const task of this.tasks) task.raised(message.raise, message.delivered)
        return
    }
  }

  private attach(): void {
    if (!this.dispatch({ _tag: "Announced" })) return
    if (Option.isNone(this.inspector)) return this.started()
    this.inspector.value.whenOpen(() => this.started())
  }

  private started(): void {
    // After the end of the worker, before its exit event, `threadId` is already -1.
    if (this.worker.threadId < 0 || !this.dispatch({ _tag: "Attached" })) return
    this.wasReady = true
    if (this.tasks.size === 0) this.worker.unref()
    this.listener.ready(this)
  }

  readonly unwound = (run: number): void => this.outbox.putNow({ _tag: "Unwound", run })

  readonly wake = (): void => this.rings.postMessage(wakeUp, [])

  readonly repair = (id: number): void => this.outbox.putNow({ _tag: "Repair", id })

  readonly runs = (id: number): boolean => this.tasks.get(id) !== undefined

  /** Makes the worker unusable and terminates it. */
  private fail(problem: string, how: "Failed" | "Refused" = "Failed"): void {
    this.problem.note(problem)
    const error = this.problem.exited(1, () => problem)
    const wasLive = WorkerState.isLive(this.state)
    this.dispatch({ _tag: how })
    this.termination.begin()
    // Node's exit code of a terminated worker is 1.
    if (wasLive) this.listener.leaving(this, error)
  }

  /** An uncaught error ends the worker. */
  readonly onError = (error: unknown): void => {
    this.problem.note(messageOf(error), error)
    this.dispatch({ _tag: "Failed" })
  }

  readonly onExit = (code: number): void => {
    if (this.isGone) return
    this.dispatch({ _tag: "Failed" })
    for (const raw of remainingMessages(this.port, this.onUnreadable)) this.onMessage(raw)
    this.ended(code)
  }

  private ended(code: number): void {
    const { state } = this
    this.dispatch({ _tag: "Exited" })
    if (state._tag !== "Refused") this.guarded(() => this.rings.close())
    if (Option.isSome(this.inspector)) this.inspector.value.over()
    this.termination.over()
    this.unlistenEnds()
    this.port.close()
    this.guarded(() => this.threadDeaths.end())
    const error = this.problem.exited(code, () => WorkerState.likelyProblem(state, this.wasReady, (task) => task.name))
    for (const task of Array.from(this.tasks))
      this.guarded(() => task.lost(state._tag === "Killed" ? state.reasons.get(task) : undefined, error))
    this.listener.gone(this, state._tag === "Killed" || state._tag === "Closing" ? undefined : error)
    Deferred.doneUnsafe(this.whenGone, Effect.void)
  }
}
