/**
 * Serves a worker of plain functions: receives messages, calls functions and sends their results.
 *
 * A function is called at the end of a port message of its own, as a section: the host may end it there, and nothing
 * else is on the stack or waits in the same turn. The code of a function after its first `await` is no part of the
 * section.
 *
 * Invariants:
 * 1. A call is in `calls` from its `Start` until its exit has been sent. Each `Start` is answered by one exit.
 * 2. Before a function is called, no entry in the ring of starts is left unnoticed, and all results of earlier calls
 *    are sent, because the function may block the worker. Hence no function is called while a failure waits for the code
 *    that sends it.
 * 3. A run that the host has claimed waits at its end until it is ended, so that no later code is ended by mistake.
 * 4. At most `concurrency` calls run. A call runs from its claim until its end; the others wait, and the host may take them
 *    back.
 * 5. Nothing here loads Effect.
 */
import { AsyncResource } from "node:async_hooks"
import { MessageChannel, type MessagePort } from "node:worker_threads"
import type * as CancelReason from "@quiesce/core/CancelReason"
import { anything, isTagged } from "../../wire/check.ts"
import * as ControlBlock from "../../wire/controlBlock.ts"
import { word } from "../../wire/controlBlock.ts"
import { type Handshake, wakeUp } from "../../wire/handshake.ts"
import type { EncodedExit, ToHost, ToWorker } from "../../wire/message.ts"
import { Outbox } from "../../wire/outbox.ts"
import { transferable } from "../../wire/largeBytes.ts"
import * as PlainHooks from "../../wire/plainHooks.ts"
import * as Ring from "../../wire/ring.ts"
import * as Word from "../../wire/sectionWord.ts"
import { Slots } from "../../wire/slots.ts"
import { decoder } from "../../wire/toWorker.ts"
import { SharedFlags } from "../../worker/sharedFlags.ts"
import { isCall } from "../contract.ts"
import * as Functions from "./functions.ts"
import { HostWait } from "./hostWait.ts"
import { failures } from "./onDemand.ts"
import { type Outlet, PlainCall } from "./plainCall.ts"
import { pending } from "./plainToken.ts"

const decode = decoder(anything)

/** How many calls are taken from the ring before other work gets a turn. */
const startsAtOnce = 256

/** How long calls may follow one another before the event loop gets a turn, in milliseconds. */
const loopMillis = 1

/** How long a loop may take to notice an interrupt by its token, in milliseconds. */
const graceMillis = 1000

const why = "code after an await is in no section"

export const serve = (handshake: Handshake): void => new PlainWorker(handshake).listen()

/** A call whose function can be called. */
interface Ready {
  readonly call: PlainCall
  readonly run: Functions.PlainFunction
}

/** A run of a section that has not ended, or was ended by force. */
interface Open {
  readonly call: PlainCall
  readonly withdrawLocks: (() => void) | undefined
}

class PlainWorker implements Outlet {
  readonly #port: MessagePort
  readonly #control: ControlBlock.ControlBlock
  readonly #outbox: Outbox<ToHost>
  readonly #calls: Slots<PlainCall>
  readonly #starts: Ring.RingReader
  readonly #values: Ring.RingWriter
  readonly #wait: HostWait
  readonly #flags: Array<SharedFlags> = []
  readonly #section: Word.Word
  readonly #open = new Map<number, Open>()
  /** The number of frames of errors before the first of the open runs. */
  #frames = 0
  readonly #ready: Array<Ready> = []
  readonly #hooks: PlainHooks.PlainHooks
  readonly #sender: MessagePort
  readonly #receiver: MessagePort
  readonly #concurrency: number
  /** How many calls run. */
  #running = 0
  #run = 0
  /** Whether a message that calls functions is under way. */
  #isDue = false
  /** Whether a call has ended since the worker last waited for a call. */
  #hasEnded = false
  /** When the event loop has to get a turn. */
  #loopDue = 0

  constructor({ concurrency, control, port, starts, values }: Handshake) {
    this.#port = port
    this.#concurrency = concurrency
    this.#control = ControlBlock.fromBuffer(control)
    this.#outbox = new Outbox<ToHost>(port)
    this.#outbox.onUnsendable = (message, cause) => this.#unsendable(message, cause)
    this.#calls = new Slots(ControlBlock.slots(this.#control))
    this.#starts = new Ring.RingReader(starts)
    this.#values = new Ring.RingWriter(values)
    this.#wait = new HostWait(this.#starts, port)
    this.#section = Word.at(this.#control.words, word.section)
    this.#hooks = { locks: undefined, report: (message) => this.#outbox.putNow(message) }
    const { port1, port2 } = new MessageChannel()
    this.#sender = port1
    this.#receiver = port2
  }

  listen(): void {
    PlainHooks.install(this.#hooks)
    this.#receiver.on("message", this.#onTurn)
    this.#receiver.unref()
    this.#port.on("message", this.#onMessage)
    this.#outbox.putNow({ _tag: "Ready", unwind: { _tag: "SectionsOnly", why }, problem: null })
  }

  readonly #onMessage = (raw: unknown): void => {
    this.#receiveAll(raw)
    this.#runReady()
  }

  /** Takes the calls in the ring, and then the messages of `raw`. Messages outside the protocol are ignored. */
  #receiveAll(raw: unknown): void {
    ControlBlock.beat(this.#control)
    // All starts come first, because a message may be for any call in the ring.
    this.#readStarts(raw === wakeUp ? startsAtOnce : Infinity)
    if (raw !== wakeUp) for (const message of decode(raw) ?? []) this.#receive(message)
  }

  readonly #onTurn = (): void => {
    this.#isDue = false
    this.#receiver.unref()
    this.#readStarts()
    this.#runReady()
  }

  #callLater(): void {
    if (this.#isDue) return
    this.#isDue = true
    this.#receiver.ref()
    if (performance.now() < this.#loopDue) this.#sender.postMessage(null)
    else setImmediate(this.#afterLoop)
  }

  /** Messages that follow one another can hold up the event loop. */
  readonly #afterLoop = (): void => {
    this.#loopDue = performance.now() + loopMillis
    this.#sender.postMessage(null)
  }

  /** The call is over; its exit is sent. */
  #callEnded(call: PlainCall): void {
    this.#calls.delete(call)
    if (call.startedAt > 0) {
      this.#running--
      const micros = (performance.now() - call.startedAt) * 1000
      this.#control.words[word.callMicros] = Math.min(micros, ControlBlock.maxMicros)
    }
    if (this.#ready.length === 0) {
      if (this.#calls.size > 0) return
      this.#hasEnded = true
    }
    // The callbacks that the function has left for this turn come first.
    this.#callLater()
  }

  /**
   * Takes the calls in the ring, and looks again even if a function is ended by force. The thread stays awake, because it looks
   * again after each call: the host would send a message for each call that it makes while a function runs.
   */
  #readStarts(most: number = startsAtOnce): void {
    const count = this.#starts.read(this.#takeStart, most)
    // A call that is followed by others runs in this turn, and a message for the others is sent before.
    const hasNext = this.#ready.length > 1 && this.#running < this.#concurrency && !failures.isLoading
    if (count > 1 || hasNext) this.#callLater()
  }

  readonly #takeStart: Ring.Take = (id, slot, _, payload) => this.#start(id, slot, payload)

  #receive(message: ToWorker): void {
    switch (message._tag) {
      case "Start":
        return this.#start(message.id, message.slot, message.payload)
      case "Stop":
        return this.#calls.get(message.id)?.stop(reasonOf(message.reason))
      case "Interrupt":
        for (const id of message.ids) this.#calls.get(id)?.interrupt(reasonOf(message.reason))
        return
      case "Raise":
        return this.#outbox.put({ _tag: "Raised", raise: message.raise, delivered: false })
      case "Pull":
        return this.#calls.get(message.id)?.pull(message.count)
      case "Unwound":
        return this.#unwound(message.run)
      case "Close":
        return this.#close()
      case "Acquired":
      case "Refused":
      case "Released":
        return this.#calls.get(message.id)?.answered(message)
      case "Withdraw":
      case "Commit":
      case "Repair":
        // A plain function has no region that receives errors, and no fibers.
        return
    }
  }

  #start(id: number, slot: number, payload: unknown): void {
    if (!isCall(payload)) return this.#outbox.put({ _tag: "Unsendable", id, problem: "no call" })
    const flags = (this.#flags[slot] ??= new SharedFlags(this.#control, slot))
    // The host has taken the earlier call back.
    const before = this.#calls.at(slot)
    if (before !== undefined) this.#calls.delete(before)
    const call = new PlainCall(id, payload, flags, ControlBlock.deadline(this.#control, slot), this)
    this.#calls.add(call)
    if (payload.reports) return call.withReporter(() => void this.#load(call))
    const run = Functions.known(payload.url)
    if (run !== undefined) this.#ready.push({ call, run })
    else void this.#load(call)
  }

  async #load(call: PlainCall): Promise<void> {
    const run = await Functions.load(call.call.url)
    if (typeof run !== "function") return call.badModule(run)
    this.#ready.push({ call, run })
    this.#callLater()
  }

  /** Calls the functions that can be called. Must be the last step in the handler of a port message. */
  #runReady(): void {
    do {
      for (;;) {
        if (failures.isLoading) return failures.use(() => this.#callLater())
        const next = this.#running < this.#concurrency ? this.#ready.shift() : undefined
        if (next === undefined) break
        if (!this.#claim(next.call)) continue
        if (this.#ready.length > 0) this.#callLater()
        this.#outbox.flush()
        this.#execute(next)
        if (this.#isDue) return
      }
    } while (this.#awaitHost())
    // The thread sleeps from here on.
    if (!this.#starts.sleep()) this.#callLater()
  }

  /** False if the call has ended, or the host has taken it back. */
  #claim(call: PlainCall): boolean {
    if (call.isDone) return false
    const { id } = call
    if (ControlBlock.claim(this.#control, this.#calls.slotOf(id), id)) return true
    this.#calls.delete(call)
    return false
  }

  /** Waits blocked for the next call, if a call has just ended. Whether there is anything to do. */
  #awaitHost(): boolean {
    if (this.#calls.size > 0 || this.#isDue || !this.#hasEnded) return false
    this.#hasEnded = false
    this.#outbox.flush()
    if (failures.isLoading) return false
    this.#receiveAll(this.#wait.next())
    return this.#ready.length > 0
  }

  #execute({ call, run: f }: Ready): void {
    call.startedAt = performance.now()
    this.#running++
    this.#run = Word.next(this.#run)
    const run = this.#run
    const { words } = this.#control
    const locks = this.#hooks.locks
    const scope = locks === undefined ? undefined : new AsyncResource("Quiesce")
    const enter = <A>(body: () => A): A => (scope === undefined ? body() : scope.runInAsyncScope(body))
    const settle = enter(() => {
      const withdrawLocks = locks?.begin(() => this.#run === run && Word.isBusy(this.#section))
      // A run before may have been ended already, and not be taken out yet.
      if (this.#open.size === 0) this.#frames = Error.stackTraceLimit
      this.#open.set(run, { call, withdrawLocks })
      Atomics.store(words, word.sectionTask, call.id)
      Atomics.store(words, word.sectionGrace, graceMillis)
      Word.start(this.#section, run)
      const settle = call.run(f)
      Word.finish(this.#section, run)
      return settle
    })
    this.#open.delete(run)
    settle()
  }

  /** The host has ended a run. */
  #unwound(run: number): void {
    const open = this.#open.get(run)
    if (open === undefined) return
    this.#open.delete(run)
    Word.clear(this.#section, run)
    // Core and Effect change the number of frames for a moment, and the run may have been ended in that moment.
    Error.stackTraceLimit = this.#frames
    // The function's `finally` did not run, so its synchronous locks are still held.
    open.withdrawLocks?.()
    open.call.endedByForce()
  }

  #close(): void {
    this.#port.close()
    this.#receiver.close()
  }

  // ---- From the calls ----

  succeed(call: PlainCall, value: unknown): void {
    if (!call.hasSentMessage && this.#values.write(call.id, 0, 0, value)) {
      if (this.#values.mustWake()) this.#port.postMessage(wakeUp)
      this.#callEnded(call)
    } else {
      const { moved } = call
      const bytes = moved ? undefined : transferable(value)
      this.exit(call, { _tag: "Success", value: bytes ?? value }, moved ? [...moved] : bytes && [bytes.buffer])
    }
  }

  exit(call: PlainCall, exit: EncodedExit, transfers?: ReadonlyArray<unknown>): void {
    this.#outbox.put({ _tag: "Exit", id: call.id, exit }, transfers)
    this.#callEnded(call)
  }

  report(call: PlainCall, value: unknown): void {
    this.#outbox.putNow({ _tag: "Chunk", id: call.id, values: [value] })
  }

  send(message: ToHost): void {
    this.#outbox.putNow(message)
  }

  /** A result that can't be cloned fails its call. */
  #unsendable(message: ToHost, cause: unknown): void {
    if (message._tag !== "Exit") return
    failures.use(({ messageOf }) => this.#outbox.put({ _tag: "Unsendable", id: message.id, problem: messageOf(cause) }))
  }
}

/** The host sends reasons as they are. */
const reasonOf = (u: unknown): CancelReason.CancelReason =>
  isTagged(u) && typeof u["message"] === "string" ? (u as unknown as CancelReason.CancelReason) : pending
