/**
 * A worker of plain functions whose pool is not opened. The worker runs light calls, and this thread receives their values.
 * All other events wait for the pool that takes over the worker. Nothing here loads Effect.
 *
 * While the worker's calls are short, further calls are sent ahead, so that the worker goes on without this thread. Beside
 * two busy processes a call of 64 callers takes 8 us with that and 31 us without, because each thread waits for a core. On an
 * idle machine the two are 8 and 17 us.
 *
 * Invariants:
 * 1. A slot is free or belongs to one call in `calls`. Those that were sent ahead are in `ahead` as well, in their order.
 * 2. After the first event that waits, all messages of the port wait, because messages have an order.
 * 3. A worker that was handed over has no listener of this module.
 * 4. A call that was sent ahead can be taken back until the worker starts it. The worker starts the calls in their order.
 */
import type { Transferable, Worker } from "node:worker_threads"
import { closeMillis, startingCloseMillis } from "../../host/closeMillis.ts"
import { remainingMessages } from "../../host/remainingMessages.ts"
import type { Listener as FromRing } from "../../host/taskRings.ts"
import * as WorkerEnds from "../../host/workerEnds.ts"
import * as ControlBlock from "../../wire/controlBlock.ts"
import { word } from "../../wire/controlBlock.ts"
import { wakeUp } from "../../wire/handshake.ts"
import type { ToHost } from "../../wire/message.ts"
import { transferable } from "../../wire/largeBytes.ts"
import { decodeToHost } from "../../wire/toHost.ts"
import { SlotTable } from "../../wire/slotTable.ts"
import { type Call, task } from "../contract.ts"
import { isThrown, rethrown } from "../thrown.ts"
import type { LightCall } from "./lightCall.ts"
import type { SpawnPlain } from "./spawnPlain.ts"

/** The names of the tasks that can use the rings. */
const names = [task]

/** After this time in milliseconds, the pool has to look after a worker that is not ready. */
const startMillis = 5000

/** How many calls are sent ahead, at most, and how long the last call may have taken for that, in microseconds. */
const mostAhead = 16
const shortMicros = 250

export interface Owner {
  /** The worker can take a call. */
  readonly free: (worker: LightWorker) => void
  /** A running call has ended. */
  readonly ended: () => void
  /** An event waits for the pool. */
  readonly needsPool: () => void
}

type State =
  | { readonly _tag: "Starting"; readonly timer: NodeJS.Timeout }
  | { readonly _tag: "Ready" }
  /** The worker was asked to end. */
  | { readonly _tag: "Closing"; readonly ended: () => void }
  | { readonly _tag: "Gone" }

/** A running call, and its place in the worker. */
export interface Running {
  readonly call: LightCall
  readonly id: number
  readonly slot: number
}

/** A worker with its running calls, for the pool that takes it over. */
export interface HandedOver extends WorkerEnds.StartedWorker {
  readonly running: ReadonlyArray<Running>
}

type Event = (to: WorkerEnds.WorkerEvents) => void

export class LightWorker implements WorkerEnds.WorkerEvents {
  private readonly owner: Owner
  private readonly worker: Worker
  private readonly threadId: number
  private readonly ends: WorkerEnds.WorkerEnds
  private readonly concurrency: number
  private readonly calls: SlotTable<LightCall>
  private readonly slots: Array<number>
  /** The calls that wait in the worker. */
  private ahead: Array<LightCall> = []
  /** When the first of `ahead` became the first. */
  private aheadSince = 0
  private readonly events: Array<Event> = []
  private readonly unlisten: () => void
  /** The message by which the worker has said that it is ready. */
  private announced: unknown = undefined
  private state: State

  /** Throws if the worker can't be started. */
  constructor(spawn: SpawnPlain, concurrency: number, url: string, owner: Owner) {
    this.owner = owner
    this.concurrency = concurrency
    this.ends = WorkerEnds.make(concurrency, names, this.fromRing, mostAhead)
    const slots = ControlBlock.slots(this.ends.control)
    this.calls = new SlotTable(slots)
    this.slots = WorkerEnds.slotsOf(slots)
    try {
      this.worker = spawn.early(this.ends, url)
    } catch (cause) {
      this.ends.port.close()
      throw cause
    }
    this.threadId = this.worker.threadId
    this.unlisten = WorkerEnds.listen(this.worker, this.ends.port, this)
    this.state = { _tag: "Starting", timer: setTimeout(() => owner.needsPool(), startMillis).unref() }
    // A waiting or running call keeps the process alive.
    this.worker.unref()
  }

  get isStarting(): boolean {
    return this.state._tag === "Starting"
  }

  /** How many calls the worker runs. */
  get size(): number {
    return this.calls.size - this.ahead.length
  }

  /** The calls that wait in the worker. */
  get waiting(): ReadonlyArray<LightCall> {
    return this.ahead
  }

  /** How many more calls the worker can run. */
  get free(): number {
    return this.isOpen ? Math.max(0, this.concurrency - this.size) : 0
  }

  /** Whether a further call can be sent ahead. */
  get canWait(): boolean {
    return this.isOpen && this.slots.length > 0 && this.ends.control.words[word.callMicros]! < shortMicros
  }

  private get isOpen(): boolean {
    return this.state._tag === "Ready" && this.events.length === 0
  }

  /** For how long the first of the calls that wait in the worker has been the first, in milliseconds. */
  delay(now: number): number {
    return this.ahead.length === 0 ? 0 : now - this.aheadSince
  }

  /** Whether a call waits for the worker. */
  awaited(isAwaited: boolean): void {
    if (isAwaited) this.worker.ref()
    else if (this.calls.size === 0) this.worker.unref()
  }

  /** Sends a call to a free slot. Throws if the input can't be cloned. */
  run(call: LightCall): void {
    const payload = this.assign(call)
    try {
      if (!this.write(call, payload)) this.post(call, payload)
    } catch (cause) {
      this.remove(call)
      throw cause
    }
    call.sent()
  }

  /** Sends a call ahead. False if the call has to wait for a message of its own. */
  runLater(call: LightCall): boolean {
    if (!this.write(call, this.assign(call))) {
      this.remove(call)
      call.takenBack()
      return false
    }
    if (this.ahead.push(call) === 1) this.aheadSince = performance.now()
    return true
  }

  private assign(call: LightCall): Call {
    const slot = this.slots.pop()!
    call.id = this.calls.nextId(slot)
    this.calls.add(call)
    if (this.calls.size === 1) this.worker.ref()
    ControlBlock.reset(this.ends.control, slot, call.id, Infinity)
    return { url: call.url, input: call.input, reports: false }
  }

  private write(call: LightCall, payload: Call): boolean {
    if (call.transfers.length > 0) return false
    return this.ends.rings.start(call.id, this.slotOf(call), task, payload, this.calls.size === 1)
  }

  private post(call: LightCall, payload: Call): void {
    const bytes = call.transfers.length === 0 ? transferable(payload.input) : undefined
    const sent = bytes === undefined ? payload : { ...payload, input: bytes }
    const start = { _tag: "Start", id: call.id, slot: this.slotOf(call), task, name: task, payload: sent, trace: null }
    // The platform checks the transfers, and throws.
    this.ends.rings.postMessage([start], bytes === undefined ? (call.transfers as Array<Transferable>) : [bytes.buffer])
  }

  /** Takes back the first calls that were sent ahead, unless the worker has started them. */
  takeBack(most: number): ReadonlyArray<LightCall> {
    return this.shift(most).filter((call) => {
      const isTaken = this.claim(call)
      if (isTaken) call.takenBack()
      else call.sent()
      return isTaken
    })
  }

  /** The first of the calls that wait in the worker wait no longer. */
  private shift(count: number): ReadonlyArray<LightCall> {
    this.aheadSince = performance.now()
    return this.ahead.splice(0, count)
  }

  /** False if the worker has started the call. Otherwise the worker has nothing to do with the call any more. */
  private claim(call: LightCall): boolean {
    if (!ControlBlock.claim(this.ends.control, this.slotOf(call), call.id)) return false
    this.remove(call)
    return true
  }

  /**
   * Cancels a call. True if the call is over, because the worker has not started it. Otherwise the function can see by its
   * token that it is cancelled, and the pool then does the rest.
   */
  cancel(call: LightCall): boolean {
    if (this.calls.get(call.id) !== call) return false
    const place = this.ahead.indexOf(call)
    if (place >= 0) this.ahead.splice(place, 1)
    if (this.claim(call)) return true
    const flags = ControlBlock.stopFlag | ControlBlock.interruptFlag
    ControlBlock.raiseFlags(this.ends.control, this.slotOf(call), flags)
    return false
  }

  private slotOf({ id }: LightCall): number {
    return this.calls.slotOf(id)
  }

  private remove(call: LightCall): void {
    if (!this.calls.delete(call)) return
    this.slots.push(this.slotOf(call))
    // The worker goes on with the next call.
    const next = this.ahead.length === 0 ? 0 : this.concurrency - this.size
    if (next > 0) for (const started of this.shift(next)) started.sent()
    if (this.calls.size === 0) this.worker.unref()
  }

  private ended(call: LightCall): void {
    // The worker has started all calls before one that has ended.
    const place = this.ahead.indexOf(call)
    if (place >= 0) for (const started of this.shift(place + 1)) started.sent()
    this.remove(call)
    this.owner.ended()
  }

  // ---- From the worker ----

  private readonly fromRing: FromRing = {
    ended: (id, value) => this.succeeded(id, value),
    // No interrupt was sent.
    interrupted: () => this.refuse("it interrupted a call, for which the host had not asked"),
    sent: (messages) => this.onMessage(messages),
    fail: (problem) => this.refuse(problem)
  }

  private succeeded(id: number, value: unknown): void {
    const call = this.calls.get(id)
    if (call === undefined) return
    this.ended(call)
    call.succeed(value)
    this.owner.free(this)
  }

  readonly onMessage = (raw: unknown): void => {
    if (raw !== wakeUp) {
      // The messages of a call go through the ring until the first that does not.
      this.ends.rings.readAll()
      this.receive(raw)
    }
    this.ends.rings.read()
  }

  private receive(raw: unknown): void {
    const messages = this.events.length === 0 ? decodeToHost(raw) : undefined
    if (messages?.every((message) => this.knows(message)) !== true) return this.wait((to) => to.onMessage(raw))
    for (const message of messages) {
      if (message._tag === "Exit") this.exited(message)
      else this.ready(raw)
    }
  }

  /** Whether the message needs no pool. The error of an interrupted call is a matter of the pool. */
  private knows(message: ToHost): boolean {
    if (message._tag === "Ready") return this.state._tag === "Starting"
    if (message._tag !== "Exit") return false
    const { exit, id } = message
    if (exit._tag === "Success") return true
    const [reason] = exit.cause
    if (exit.cause.length !== 1 || reason?._tag !== "Fail" || !isThrown(reason.error)) return false
    return this.calls.get(id)?.signal?.aborted !== true
  }

  private exited({ exit, id }: Extract<ToHost, { readonly _tag: "Exit" }>): void {
    if (exit._tag === "Success") return this.succeeded(id, exit.value)
    const call = this.calls.get(id)
    const [reason] = exit.cause
    if (call === undefined || reason?._tag !== "Fail" || !isThrown(reason.error)) return
    this.ended(call)
    call.fail(rethrown(reason.error))
    this.owner.free(this)
  }

  private ready(raw: unknown): void {
    if (this.state._tag !== "Starting") return
    clearTimeout(this.state.timer)
    this.state = { _tag: "Ready" }
    this.announced = raw
    this.awaited(false)
    this.owner.free(this)
  }

  private wait(event: Event): void {
    if (this.state._tag === "Closing") return
    this.events.push(event)
    this.owner.needsPool()
  }

  readonly onUnreadable = (): void => this.wait((to) => to.onUnreadable())

  readonly onPortClosed = (): void => this.wait((to) => to.onPortClosed())

  readonly onError = (error: unknown): void => this.wait((to) => to.onError(error))

  readonly refuse = (problem: string): void => this.wait((to) => to.refuse(problem))

  readonly onExit = (code: number): void => {
    const { state } = this
    if (state._tag === "Closing") {
      this.dispose()
      return state.ended()
    }
    for (const raw of remainingMessages(this.ends.port, this.onUnreadable)) this.onMessage(raw)
    if (state._tag === "Starting") clearTimeout(state.timer)
    this.state = { _tag: "Gone" }
    this.wait((to) => to.onExit(code))
  }

  // ---- The end ----

  /** Ends a worker without calls: asks the worker to end, and terminates a worker that does not. */
  end(): Promise<void> {
    const { state } = this
    if (state._tag === "Closing" || state._tag === "Gone") return Promise.resolve()
    if (state._tag === "Starting") clearTimeout(state.timer)
    this.worker.ref()
    return new Promise((resolve) => {
      const patience = state._tag === "Starting" ? startingCloseMillis : closeMillis
      const timer = setTimeout(() => void this.worker.terminate(), patience)
      // Native code can't be terminated. The process then goes on without waiting for the worker.
      const last = setTimeout(() => ended(), patience + closeMillis)
      const ended = (): void => {
        clearTimeout(timer)
        clearTimeout(last)
        resolve()
      }
      this.state = { _tag: "Closing", ended }
      this.ends.rings.postMessage([{ _tag: "Close" }], [])
    })
  }

  /** Terminates the worker. Its calls fail. */
  abandon(cause: unknown): void {
    for (const call of this.calls) call.fail(cause)
    if (this.state._tag === "Starting") clearTimeout(this.state.timer)
    this.dispose()
    // The worker may fail meanwhile, and nobody listens.
    this.worker.on("error", () => {})
    void this.worker.terminate()
  }

  private dispose(): void {
    this.unlisten()
    this.ends.rings.drop()
    this.ends.port.close()
  }

  /** Hands the worker over to a pool; undefined if nothing is left of the worker. */
  handOver(): HandedOver | undefined {
    const { announced, calls, ends, slots, state, threadId, worker } = this
    if (state._tag === "Closing") return undefined
    if (state._tag === "Starting") clearTimeout(state.timer)
    this.unlisten()
    if (state._tag === "Gone" && calls.size === 0) {
      this.dispose()
      return undefined
    }
    const running = Array.from(calls, (call) => ({ call, id: call.id, slot: this.slotOf(call) }))
    const free = slots.slice(0, Math.max(0, this.concurrency - running.length))
    const first: ReadonlyArray<Event> = announced === undefined ? [] : [(to) => to.onMessage(announced)]
    const events = [...first, ...this.events]
    const [isGone, wasReady] = [state._tag === "Gone", announced !== undefined]
    return { worker, threadId, ends, isGone, wasReady, slots: free, turn: calls.turn, events, running }
  }
}
