/**
 * A task in a worker: a thread with a handler, and the messages about the thread to the host.
 *
 * Invariants:
 * 1. `LeaseHeld` is sent before the holder of the lease goes on, and `LeaseEnded` when the release has ended. The host
 *    therefore knows the leases that are lost with the worker.
 * 2. The exit is sent once, after the thread has ended.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Deadline from "@quiesce/core/Deadline"
import * as Thread from "@quiesce/core/Thread"
import * as ThreadAdapter from "@quiesce/core/adapter"
import { interruptThread, messageOf, readOr } from "@quiesce/core/internal"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import * as Codec from "../wire/codec.ts"
import { immediate, isDone, type Problem, type TaskCodec } from "../wire/wire.ts"
import * as ControlBlock from "../wire/controlBlock.ts"
import * as CurrentTask from "../wire/currentTask.ts"
import * as LeaseBroker from "../leases/leaseBroker.ts"
import type { EncodedExit, ToHost } from "../wire/message.ts"
import type { Trace } from "../wire/trace.ts"
import type { Outbox } from "../wire/outbox.ts"
import * as RingEntry from "../wire/ringEntry.ts"
import type { SharedFlags } from "./sharedFlags.ts"

/** The parts of a worker that all tasks share. */
export interface Worker {
  readonly control: ControlBlock.ControlBlock
  readonly outbox: Outbox<ToHost>
  /** Writes an entry into the ring of values. False if the ring can't carry the entry. */
  readonly write: (id: number, kind: number, lease: number, content: unknown) => boolean
  /** Called when the exit of a task has been sent. */
  readonly ended: (task: WorkerTask) => void
  readonly flags: (slot: number) => SharedFlags
  /** Starts the thread of a task. */
  readonly spawn: ThreadAdapter.SpawnBelow
}

/** The handler of the tasks with one name. */
export interface Entry {
  readonly codec: TaskCodec
  readonly run: Run
  /** Wraps the whole run, with the decoded payload; undefined if the contract has no middleware. */
  readonly around: Around | undefined
  /** The context of each task of this name. */
  readonly context: Context.Context<never>
  /** Has the services with which the exit is encoded. */
  readonly services: Context.Context<never>
}

/** Runs a task with its decoded payload. */
export type Run = (payload: unknown, task: Outlet) => Effect.Effect<unknown, unknown> | Stream.Stream<unknown, unknown>

/** Runs a task inside the middleware of its contract. */
type Around = (
  task: Effect.Effect<unknown, unknown>,
  payload: unknown,
  outlet: Outlet
) => Effect.Effect<unknown, unknown>

/** Sends chunks for a task that does not return a stream. */
export interface Outlet {
  readonly id: number
  /** Throws if a value can't be cloned. Nothing is sent then. */
  readonly chunk: (values: ReadonlyArray<unknown>, transfers: ReadonlyArray<unknown>) => void
  /** Waits until the host accepts one more chunk. */
  readonly credit: Effect.Effect<void>
}

/** An error of the host that is not yet answered. */
interface Raise {
  readonly withdraw: () => void
  /** The host does not withdraw the error any more. */
  readonly commit: () => void
}

export class WorkerTask implements CurrentTask.Task, Outlet {
  readonly id: number
  readonly slot: number
  private readonly worker: Worker
  private readonly entry: Entry
  private readonly payload: unknown
  private readonly label: string
  /** The place of the caller's span; null if the caller has no tracer. */
  private readonly trace: Trace | null
  /** Set when the thread has been started. */
  thread: Thread.Thread<unknown, unknown> | undefined = undefined
  /** Requests that came before the thread was started. */
  private pendingRequests: Array<(thread: Thread.Thread<unknown, unknown>) => void> | undefined = undefined

  // Most tasks need none of these. Each is made on first use.

  private raises: Map<number, Raise> | undefined = undefined
  /** How many raises are not yet answered. */
  private raising = 0
  /** The chunks that a stream may still send. */
  private credits: Semaphore.Semaphore | undefined = undefined
  private leaseBroker: LeaseBroker.LeaseBroker | undefined = undefined
  /** The reason of the host's first interrupt. */
  private asked: CancelReason.CancelReason | undefined = undefined
  private hasEnded = false
  /** Whether the task has sent a message by the port, which no entry in the ring must overtake. */
  private hasSentMessage = false

  constructor(
    id: number,
    slot: number,
    worker: Worker,
    entry: Entry,
    payload: unknown,
    label: string,
    trace: Trace | null
  ) {
    this.trace = trace
    this.payload = payload
    this.label = label
    this.id = id
    this.slot = slot
    this.worker = worker
    this.entry = entry
  }

  get broker(): LeaseBroker.LeaseBroker {
    if (this.leaseBroker === undefined) {
      this.leaseBroker = new LeaseBroker.LeaseBroker(this.id, this.worker.outbox)
      if (this.hasEnded) this.leaseBroker.close()
    }
    return this.leaseBroker
  }

  /**
   * Runs the thread up to its first wait. Its fiber must be alone on the stack, because its code may be ended by force.
   */
  readonly run = (): void => {
    const { context } = this.entry
    const deadline = ControlBlock.deadline(this.worker.control, this.slot)
    const withTask = Context.addUnsafe(context, CurrentTask.Current.key, this)
    const timed = deadline === Infinity ? withTask : Context.add(withTask, Deadline.Current, deadline)
    const full = this.trace === null ? timed : Context.add(timed, Tracer.ParentSpan, Tracer.externalSpan(this.trace))
    // The thread may never reach its body.
    this.begin(this.worker.spawn(this.start, full, this.label))
  }

  private readonly start = (thread: Thread.Thread<unknown, unknown>): Effect.Effect<unknown, unknown> => {
    this.begin(thread)
    return this.body()
  }

  /** Registers the thread. Code that may be ended by force comes later, because its end also ends the caller. */
  private begin(thread: Thread.Thread<unknown, unknown>): void {
    if (this.thread !== undefined) return
    this.thread = thread
    ThreadAdapter.shareFlags(thread, this.worker.flags(this.slot))
    ThreadAdapter.onExit(thread, this.exited)
    const { pendingRequests } = this
    this.pendingRequests = undefined
    if (pendingRequests !== undefined) for (const ask of pendingRequests) ask(thread)
  }

  /** The reason of the task's cancel. */
  get reason(): CancelReason.CancelReason {
    return this.thread?.reason ?? CancelReason.interrupted()
  }

  stop(reason: CancelReason.CancelReason): void {
    this.ask((thread) => Effect.runFork(Thread.stop(thread, { reason })))
  }

  /** `by` is the id of the fiber that asks. */
  interrupt(reason: CancelReason.CancelReason, by: number): void {
    this.asked ??= reason
    this.ask((thread) => interruptThread(thread, reason, by))
  }

  private ask(f: (thread: Thread.Thread<unknown, unknown>) => void): void {
    if (this.thread !== undefined) f(this.thread)
    else (this.pendingRequests ??= []).push(f)
  }

  raise(raise: number, error: unknown): void {
    this.ask((thread) => this.raiseInto(thread, raise, error))
  }

  private raiseInto(thread: Thread.Thread<unknown, unknown>, raise: number, error: unknown): void {
    this.raising++
    this.hasSentMessage = true
    const raises = (this.raises ??= new Map<number, Raise>())
    let commit: (() => void) | undefined
    // Sent at once: the commit must not wait for the end of the turn, in which code may block the worker.
    const encoded = ThreadAdapter.encodedError(error, (f) => {
      commit = f
      this.worker.outbox.putNow({ _tag: "Reserved", raise })
    })
    const fiber = Effect.runFork(Thread.raise(thread, encoded))
    raises.set(raise, { withdraw: () => fiber.interruptUnsafe(), commit: () => commit?.() })
    fiber.addObserver((exit) => {
      this.raising--
      raises.delete(raise)
      // A withdrawn raise has no waiter any more.
      if (Exit.isSuccess(exit)) this.worker.outbox.put({ _tag: "Raised", raise, delivered: exit.value })
    })
  }

  withdraw(raise: number): void {
    this.raises?.get(raise)?.withdraw()
  }

  commit(raise: number): void {
    this.raises?.get(raise)?.commit()
  }

  pull(count: number): void {
    Effect.runFork(this.streamCredits.release(count))
  }

  private get streamCredits(): Semaphore.Semaphore {
    return (this.credits ??= Semaphore.makeUnsafe(0))
  }

  private body(): Effect.Effect<unknown, unknown> {
    const decoded = this.entry.codec.payload.decode(this.payload)
    if (isDone(decoded)) return this.handle(decoded.value)
    const misfit = (problem: Problem): Error =>
      new Error(
        `The payload of "${this.label}" does not fit its Schema: ${problem}. Give what the contract says; the types of a call from TypeScript show it.`
      )
    return Effect.flatMap(Effect.mapError(decoded, misfit), (payload) => this.handle(payload))
  }

  private handle(payload: unknown): Effect.Effect<unknown, unknown> {
    const { around } = this.entry
    if (around === undefined) return this.handled(payload)
    return around(
      Effect.suspend(() => this.handled(payload)),
      payload,
      this
    )
  }

  private handled(payload: unknown): Effect.Effect<unknown, unknown> {
    const result = this.entry.run(payload, this)
    return Stream.isStream(result) ? this.stream(result) : result
  }

  chunk(values: ReadonlyArray<unknown>, transfers: ReadonlyArray<unknown>): void {
    this.hasSentMessage = true
    this.worker.outbox.putNow({ _tag: "Chunk", id: this.id, values }, transfers)
  }

  /** The end of the task says why a chunk can't be cloned. */
  private sendChunk(values: ReadonlyArray<unknown>, transfers: ReadonlyArray<unknown>): void {
    try {
      this.chunk(values, transfers)
    } catch (cause) {
      throw new UnsendableChunk(messageOf(cause))
    }
  }

  get credit(): Effect.Effect<void> {
    return Effect.asVoid(this.streamCredits.take(1))
  }

  /** Sends a stream chunk by chunk, each for one credit. */
  private stream(stream: Stream.Stream<unknown, unknown>): Effect.Effect<void, unknown> {
    const element = this.entry.codec.element
    if (element === undefined) return Effect.die(new Error("The contract does not declare a stream"))
    return Stream.runForEachArray(stream, (values) =>
      Effect.andThen(
        this.credit,
        Effect.suspend(() => {
          const transfers: Array<unknown> = []
          return Effect.map(
            Effect.orDie(Effect.forEach(values, (value) => element.encode(value, transfers))),
            (encoded) => this.sendChunk(encoded, transfers)
          )
        })
      )
    )
  }

  private readonly exited = (exit: Exit.Exit<unknown, unknown>): void => {
    this.hasEnded = true
    this.leaseBroker?.close()
    this.send(exit)
  }

  private send(exit: Exit.Exit<unknown, unknown>): void {
    // The end of the thread has answered all raises; those answers are sent first.
    if (this.raising > 0) return queueMicrotask(() => this.send(exit))
    const { codec } = this.entry
    const unsendable = Exit.isFailure(exit) ? exit.cause.reasons.find(isUnsendable) : undefined
    if (unsendable !== undefined) return this.sendUnsendable(unsendable.defect.problem)
    if (Exit.isSuccess(exit) && codec.success.isPlain && this.sendEnd(RingEntry.value, exit.value)) return
    if (this.isAsAsked(exit) && this.sendEnd(RingEntry.interrupted, undefined)) return
    const transfers: Array<unknown> = []
    const encoding = Codec.exitToWire(codec, exit, transfers)
    const now = immediate(encoding)
    if (now !== undefined) return this.sendEncoded(now, transfers)
    Effect.runForkWith(this.entry.services)(encoding).addObserver((encoded) => {
      if (Exit.isSuccess(encoded)) this.sendEncoded(encoded.value, transfers)
      else this.sendUnsendable(messageOf(Cause.squash(encoded.cause)))
    })
  }

  private sendEncoded(exit: EncodedExit, transfers: ReadonlyArray<unknown>): void {
    if (transfers.length === 0 && exit._tag === "Success" && this.sendEnd(RingEntry.value, exit.value)) return
    const { id } = this
    const { outbox } = this.worker
    const message = { _tag: "Exit", id, exit } as const
    if (transfers.length === 0) {
      if (!this.hasRing || !RingEntry.write(message, this.worker.write)) outbox.put(message)
    } else {
      try {
        outbox.putNow(message, transfers)
      } catch (cause) {
        return this.sendUnsendable(messageOf(cause))
      }
    }
    this.worker.ended(this)
  }

  private sendUnsendable(problem: string): void {
    this.worker.outbox.put({ _tag: "Unsendable", id: this.id, problem })
    this.worker.ended(this)
  }

  /** Whether the exit has nothing but the interruption that the host has asked for first. */
  private isAsAsked(exit: Exit.Exit<unknown, unknown>): boolean {
    return this.asked !== undefined && Exit.isFailure(exit) && Codec.isInterruptionFor(exit.cause, this.asked)
  }

  /** False if the end has to be sent as a message. */
  private sendEnd(kind: number, content: unknown): boolean {
    if (!this.hasRing || !this.worker.write(this.id, kind, 0, content)) return false
    this.worker.ended(this)
    return true
  }

  private get hasRing(): boolean {
    return !this.hasSentMessage && this.leaseBroker === undefined
  }

  tell(message: RingEntry.Carried): void {
    if (this.hasRing && RingEntry.write(message, this.worker.write)) return
    this.hasSentMessage = true
    this.worker.outbox.putNow(message)
  }
}

class UnsendableChunk {
  readonly problem: string

  constructor(problem: string) {
    this.problem = problem
  }
}

/** Any code may have thrown the defect. */
const isUnsendable = (reason: Cause.Reason<unknown>): reason is Cause.Die & { readonly defect: UnsendableChunk } =>
  Cause.isDieReason(reason) && readOr(() => reason.defect instanceof UnsendableChunk, false)
