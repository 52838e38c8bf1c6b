/**
 * One worker thread on the host: its ports, its slots, what runs on it, and its end.
 *
 * Invariants:
 * 1. A slot is free, or belongs to one task in `tasks`. The control block's row of a slot is cleared before its next
 *    task is sent.
 * 2. When the worker is gone, for whatever cause, `tasks` is emptied by telling each; then `onGone` is called, once.
 * 3. Nothing of it is left then: no listener, no port, no inspector session.
 */
import { MessageChannel, type MessagePort, type Worker, type WorkerOptions } from "node:worker_threads"
import type * as CancelReason from "@quiesce/core/CancelReason"
import type { UnwindOutcome } from "@quiesce/core/ThreadControls"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as WorkerError from "../WorkerError.ts"
import * as Codec from "./codec.ts"
import * as ControlBlock from "./controlBlock.ts"
import { decodeToHost, handshakeKey, type Handshake, type ToHost, type ToWorker } from "./message.ts"
import { type Capabilities, execArgv } from "./capabilities.ts"
import { Outbox } from "./outbox.ts"
import { Reach } from "./reach.ts"
import * as Registry from "./sharedRegistry.ts"
import type { RemoteTask } from "./remoteTask.ts"

type State =
  | { readonly _tag: "Starting" }
  | { readonly _tag: "Ready" }
  | { readonly _tag: "Closing" }
  | { readonly _tag: "Killed"; readonly task: RemoteTask; readonly reason: CancelReason.CancelReason }
  | { readonly _tag: "Gone" }

/** For how long a worker may take to end by itself, and then to be ended. */
const closeMillis = 2000

/** What the pool hears of its worker. */
export interface Listener {
  readonly ready: (worker: WorkerHandle) => void
  /** A slot has become free. */
  readonly idle: (worker: WorkerHandle) => void
  /** `error` is what was wrong; undefined when it was closed or killed. */
  readonly gone: (worker: WorkerHandle, error: WorkerError.WorkerError | undefined, wasReady: boolean) => void
}

export class WorkerHandle {
  readonly tasks: Map<number, RemoteTask> = new Map()
  readonly worker: Worker
  /** Kept, as the worker forgets it at its end. */
  private readonly threadId: number
  private readonly port: MessagePort
  private readonly control: ControlBlock.ControlBlock
  private readonly outbox: Outbox<ToWorker>
  private readonly listener: Listener
  private readonly slots: Array<number>
  private state: State = { _tag: "Starting" }
  private wasReady = false
  private problem: string | undefined = undefined
  /** None where the inspector is not to be had. */
  private readonly reach: Option.Option<Reach>
  private goneObservers: Array<() => void> = []

  constructor(
    spawn: (options: WorkerOptions) => Worker,
    concurrency: number,
    capabilities: Capabilities,
    listener: Listener
  ) {
    const { port1, port2 } = new MessageChannel()
    this.port = port1
    this.listener = listener
    this.slots = Array.from({ length: concurrency }, (_, index) => concurrency - 1 - index)
    this.control = ControlBlock.make(concurrency)
    this.reach = capabilities.unwind ? Option.some(new Reach(this.control, this)) : Option.none()
    // The port type of Node and that of the message are one.
    const handshake = { port: port2, control: this.control.buffer } as unknown as Handshake
    this.worker = spawn({
      workerData: { [handshakeKey]: handshake },
      transferList: [port2],
      execArgv: [...process.execArgv, ...execArgv]
    })
    this.outbox = new Outbox<ToWorker>(port1)
    this.outbox.onUnsendable = (message, problem) => this.unsendable(message, problem)
    port1.on("message", this.onMessage)
    port1.on("messageerror", () => this.broke("a message of its could not be read"))
    this.threadId = this.worker.threadId
    this.worker.on("error", this.onError)
    this.worker.on("messageerror", this.onError)
    this.worker.on("exit", this.onExit)
    port1.unref()
  }

  get isReady(): boolean {
    return this.state._tag === "Ready"
  }

  get isGone(): boolean {
    return this.state._tag === "Gone"
  }

  /** The number of tasks that it could take. */
  get free(): number {
    return this.isReady ? this.slots.length : 0
  }

  // ---- To the worker ----

  /** Sends a task to a free slot. Throws when its payload can't be cloned; then the slot is to be freed. */
  run(task: RemoteTask): void {
    const slot = this.slots.pop()!
    this.tasks.set(task.id, task)
    if (this.tasks.size === 1) this.hold()
    ControlBlock.reset(this.control, slot, task.deadline)
    task.sendTo(this, slot)
  }

  start(task: RemoteTask, slot: number): void {
    const { id, payload, transfers } = task
    const message = { _tag: "Start", id, slot, task: task.codec.name, name: task.cell.name, payload } as const
    if (transfers.length > 0) this.outbox.putNow(message, transfers)
    else this.outbox.put(message)
  }

  stop(id: number, slot: number, reason: CancelReason.CancelReason): void {
    ControlBlock.raiseFlags(this.control, slot, ControlBlock.stopFlag)
    this.outbox.putNow({ _tag: "Stop", id, reason: Codec.reasonToWire(reason) })
  }

  interrupt(id: number, slot: number, reason: CancelReason.CancelReason): void {
    ControlBlock.raiseFlags(this.control, slot, ControlBlock.stopFlag | ControlBlock.interruptFlag)
    this.outbox.putNow({ _tag: "Interrupt", id, reason: Codec.reasonToWire(reason) })
    if (Option.isSome(this.reach)) this.reach.value.interruptSection(slot)
  }

  raise(id: number, raise: number, error: unknown): void {
    this.outbox.put({ _tag: "Raise", id, raise, error })
  }

  /** Throws when it can't be cloned. */
  post(message: ToWorker, transfers: ReadonlyArray<unknown>): void {
    this.outbox.putNow(message, transfers)
  }

  withdraw(raise: number): void {
    this.outbox.put({ _tag: "Withdraw", raise })
  }

  pull(id: number, count: number): void {
    this.outbox.put({ _tag: "Pull", id, count })
  }

  get unwinder(): Option.Option<(slot: number) => Effect.Effect<UnwindOutcome>> {
    return Option.map(this.reach, (reach) => (slot) => reach.unwind(slot))
  }

  get locate(): Effect.Effect<Option.Option<string>> {
    return Option.match(this.reach, { onNone: () => Effect.succeedNone, onSome: (reach) => reach.locate })
  }

  /** Terminates the OS thread for one of its tasks; what else runs on it ends as crashed. */
  kill(task: RemoteTask, reason: CancelReason.CancelReason): Effect.Effect<void> {
    return Effect.sync(() => {
      if (this.state._tag === "Gone" || this.state._tag === "Killed") return
      this.state = { _tag: "Killed", task, reason }
      void this.worker.terminate()
    })
  }

  /** Asks the worker to end by itself and, if it does not in time, ends it by force. Completes when it is gone. */
  get end(): Effect.Effect<void> {
    const asked = Effect.suspend(() => {
      this.worker.ref()
      if (this.state._tag === "Starting" || this.state._tag === "Ready") {
        this.state = { _tag: "Closing" }
        this.outbox.putNow({ _tag: "Close" })
      }
      return this.whenGone
    })
    return Effect.flatMap(Effect.timeoutOption(asked, closeMillis), (ended) => {
      if (Option.isSome(ended)) return Effect.void
      this.terminate()
      // Native code can't be ended: then the process goes on without waiting for it.
      return Effect.asVoid(Effect.timeoutOption(this.whenGone, closeMillis))
    })
  }

  private get whenGone(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.state._tag === "Gone") return resume(Effect.void)
      this.goneObservers.push(() => resume(Effect.void))
    })
  }

  /** Ends it by force, whatever runs. */
  terminate(): void {
    void this.worker.terminate()
  }

  /** A task has ended; its slot is free. */
  taskEnded(task: RemoteTask, slot: number): void {
    if (!this.tasks.delete(task.id)) return
    if (Option.isSome(this.reach)) this.reach.value.ended(slot)
    this.slots.push(slot)
    if (this.tasks.size === 0) this.letGo()
    if (this.isReady) this.listener.idle(this)
  }

  // ---- From the worker ----

  private readonly onMessage = (raw: unknown): void => {
    const messages = decodeToHost(raw)
    if (messages === undefined) return this.broke("it sent a message of nobody's protocol")
    for (const message of messages) this.take(message)
  }

  private take(message: ToHost): void {
    switch (message._tag) {
      case "Ready":
        return Option.match(this.reach, {
          onNone: () => this.started(),
          onSome: (reach) => reach.open(this.worker, () => this.started())
        })
      case "Failed":
        this.problem = message.problem
        return
      case "Raised":
        for (const task of this.tasks.values()) task.raised(message.raise, message.delivered)
        return
      case "Exit":
      case "Chunk":
      case "Held":
      case "Gone":
      case "Acquire":
      case "Release":
        return this.tasks.get(message.id)?.take(message)
    }
  }

  private started(): void {
    if (this.state._tag !== "Starting") return
    this.state = { _tag: "Ready" }
    this.wasReady = true
    this.worker.unref()
    this.listener.ready(this)
  }

  // Of the code that was ended by force.

  readonly unwound = (run: number): void => {
    this.outbox.putNow({ _tag: "Unwound", run })
  }

  readonly repair = (slot: number): void => {
    this.outbox.putNow({ _tag: "Repair", slot })
  }

  private unsendable(message: ToWorker, problem: string): void {
    if (message._tag !== "Start") return
    const task = this.tasks.get(message.id)
    task?.fail(WorkerError.make({ _tag: "NotSendable", task: message.task, problem }))
  }

  /** What it did makes it unusable. */
  private broke(problem: string): void {
    this.problem ??= problem
    this.terminate()
  }

  private readonly onError = (error: unknown): void => {
    this.problem ??= error instanceof Error ? (error.stack ?? error.message) : String(error)
  }

  private readonly onExit = (code: number): void => {
    const { state } = this
    if (state._tag === "Gone") return
    // What it said before its end is still in the port.
    setImmediate(() => this.ended(state, code))
  }

  private ended(state: State, code: number): void {
    this.state = { _tag: "Gone" }
    if (Option.isSome(this.reach)) this.reach.value.close()
    this.port.off("message", this.onMessage)
    this.port.close()
    this.worker.off("error", this.onError)
    this.worker.off("messageerror", this.onError)
    this.worker.off("exit", this.onExit)
    Registry.threadDied(this.threadId)
    const problem = this.problem ?? (state._tag === "Killed" ? "it was killed" : "it called process.exit, or was ended")
    const error = WorkerError.make({ _tag: "WorkerExited", code, problem })
    for (const task of Array.from(this.tasks.values())) {
      task.lost(state._tag === "Killed" && state.task === task ? state.reason : undefined, error)
    }
    this.listener.gone(this, state._tag === "Ready" || state._tag === "Starting" ? error : undefined, this.wasReady)
    for (const observer of this.goneObservers) observer()
  }

  /** While a task runs, the process has something to wait for. */
  private hold(): void {
    this.worker.ref()
  }

  private letGo(): void {
    this.worker.unref()
  }
}
