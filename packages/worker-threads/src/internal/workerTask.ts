/**
 * One task in a worker: a thread that runs a handler, and what it tells the host.
 *
 * Invariants:
 * 1. `Held` for a lease is sent before its holder goes on, `Gone` when its release has ended: the host knows what is
 *    lost with the worker.
 * 2. The exit is sent once, after the thread has ended.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Deadline from "@quiesce/core/Deadline"
import * as Thread from "@quiesce/core/Thread"
import * as ThreadAdapter from "@quiesce/core/ThreadAdapter"
import type { ThreadError } from "@quiesce/core/ThreadError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as Codec from "./codec.ts"
import * as ControlBlock from "./controlBlock.ts"
import * as HostBroker from "./hostBroker.ts"
import type { EncodedExit, ToHost } from "./message.ts"
import type { Outbox } from "./outbox.ts"
import { CurrentSlot } from "./sectionRunner.ts"

export interface Options {
  readonly id: number
  readonly slot: number
  readonly label: string
  readonly control: ControlBlock.ControlBlock
  readonly outbox: Outbox<ToHost>
  readonly codec: Codec.TaskCodec
  readonly run: Run
  readonly context: Context.Context<never>
}

/** What a task does with its decoded payload. */
export type Run = (payload: unknown, task: Outlet) => Effect.Effect<unknown, unknown> | Stream.Stream<unknown, unknown>

/** By which a task can send chunks by itself, instead of giving a stream. */
export interface Outlet {
  readonly id: number
  /** Throws when a value can't be cloned; then nothing is sent. */
  readonly chunk: (values: ReadonlyArray<unknown>, transfers: ReadonlyArray<unknown>) => void
  /** Waits until the host wants one more. */
  readonly credit: Effect.Effect<void>
}

let lastLease = 0

export class WorkerTask implements Outlet {
  private readonly options: Options
  private thread: Thread.Thread<unknown, unknown> | undefined = undefined
  /** What was asked before the thread was there; then nothing waits any more. */
  private early: Array<(thread: Thread.Thread<unknown, unknown>) => void> | undefined = []
  private readonly raises: Map<number, Fiber.Fiber<unknown, unknown>> = new Map()
  /** How many raises are not answered yet. */
  private raising = 0
  /** The chunks that a stream may still send. */
  private readonly credits: Semaphore.Semaphore = Semaphore.makeUnsafe(0)

  /** What the host keeps for it. */
  readonly broker: HostBroker.HostBroker

  constructor(options: Options) {
    this.options = options
    this.broker = new HostBroker.HostBroker(options.id, options.outbox)
  }

  /** Starts the thread. `ended` is called when its exit has been sent. */
  run(payload: unknown, ended: () => void): void {
    const { slot, control, context, label } = this.options
    const deadline = ControlBlock.deadline(control, slot)
    const withSlot = Context.add(Context.add(context, CurrentSlot, slot), HostBroker.Current, this.broker)
    const full = deadline === Infinity ? withSlot : Context.add(withSlot, Deadline.Current, deadline)
    // Not at once: its fiber is to be alone on the stack, so that what it runs can be ended by force.
    const spawned = Thread.spawn(this.observed(payload), { name: label })
    // The scope of the tasks is in the context: that of the worker's own thread.
    Effect.runForkWith(full)(spawned as Effect.Effect<Thread.Thread<unknown, unknown>, ThreadError>).addObserver(
      (exit) => {
        if (Exit.isFailure(exit)) this.send(exit, ended)
        else ThreadAdapter.onExit(exit.value, (end) => this.send(end, ended))
      }
    )
  }

  /** The body, once the thread is known and tells the host of its leases. */
  private observed(payload: unknown): Effect.Effect<unknown, unknown> {
    return Effect.flatMap(Thread.current, (thread) => {
      const { control, slot } = this.options
      const early = this.early ?? []
      this.thread = thread
      this.early = undefined
      ThreadAdapter.shareFlags(thread, new SharedFlags(control, slot))
      const unobserve = ThreadAdapter.observeLeases(thread, this.leases())
      ThreadAdapter.onExit(thread, () => {
        unobserve()
        this.broker.close()
      })
      for (const ask of early) ask(thread)
      return this.body(payload)
    })
  }

  get id(): number {
    return this.options.id
  }

  get slot(): number {
    return this.options.slot
  }

  /** Why it was asked to end. */
  get reason(): CancelReason.CancelReason {
    return this.thread?.reason ?? CancelReason.interrupted()
  }

  stop(reason: CancelReason.CancelReason): void {
    this.ask((thread) => Effect.runFork(Thread.stop(thread, reason)))
  }

  interrupt(reason: CancelReason.CancelReason): void {
    this.ask((thread) => Effect.runFork(Thread.interruptFork(thread, reason)))
  }

  private ask(f: (thread: Thread.Thread<unknown, unknown>) => void): void {
    if (this.thread !== undefined && this.early === undefined) f(this.thread)
    else this.early?.push(f)
  }

  raise(raise: number, error: unknown): void {
    this.ask((thread) => this.raiseInto(thread, raise, error))
  }

  private raiseInto(thread: Thread.Thread<unknown, unknown>, raise: number, error: unknown): void {
    this.raising++
    const raised = Effect.runFork(Thread.raise(thread, ThreadAdapter.encodedError(error)))
    this.raises.set(raise, raised)
    raised.addObserver((exit) => {
      this.raising--
      this.raises.delete(raise)
      // One that was withdrawn is not waited for any more.
      if (Exit.isSuccess(exit)) this.options.outbox.put({ _tag: "Raised", raise, delivered: exit.value })
    })
  }

  withdraw(raise: number): void {
    this.raises.get(raise)?.interruptUnsafe()
  }

  pull(count: number): void {
    Effect.runFork(this.credits.release(count))
  }

  private body(payload: unknown): Effect.Effect<unknown, unknown> {
    const { codec, run } = this.options
    return Effect.flatMap(
      Effect.mapError(codec.payload.decode(payload), (problem) => new Error(`The payload does not fit: ${problem}`)),
      (decoded) => {
        const result = run(decoded, this)
        return Stream.isStream(result) ? this.stream(result) : result
      }
    )
  }

  chunk(values: ReadonlyArray<unknown>, transfers: ReadonlyArray<unknown>): void {
    this.options.outbox.putNow({ _tag: "Chunk", id: this.options.id, values }, transfers)
  }

  get credit(): Effect.Effect<void> {
    return Effect.asVoid(this.credits.take(1))
  }

  /** Sends a stream chunk by chunk, each for a credit. */
  private stream(stream: Stream.Stream<unknown, unknown>): Effect.Effect<void, unknown> {
    const element = this.options.codec.element
    if (element === undefined) return Effect.die(new Error("The contract does not declare a stream"))
    return Stream.runForEachArray(stream, (values) =>
      Effect.andThen(
        this.credit,
        Effect.suspend(() => {
          const transfers: Array<unknown> = []
          return Effect.map(
            Effect.orDie(Effect.forEach(values, (value) => element.encode(value, transfers))),
            (encoded) => this.chunk(encoded, transfers)
          )
        })
      )
    )
  }

  private leases(): ThreadAdapter.LeaseObserver {
    const { id, outbox } = this.options
    const ids = new Map<object, number>()
    return {
      entered: (lease, name) => {
        if (!HostBroker.isTold()) return
        const number = ++lastLease
        ids.set(lease, number)
        outbox.putNow({ _tag: "Held", id, lease: number, name })
      },
      settled: (lease, fate, error) => {
        const number = ids.get(lease)
        ids.delete(lease)
        // At once: what comes next may hold up this turn for ever, and what was given back must not count as lost.
        if (number !== undefined) outbox.putNow({ _tag: "Gone", id, lease: number, fate, error })
      }
    }
  }

  private send(exit: Exit.Exit<unknown, unknown>, ended: () => void): void {
    // What was raised into the thread has been answered by its end; those answers go first.
    if (this.raising > 0) return queueMicrotask(() => this.send(exit, ended))
    const { codec, id, outbox } = this.options
    const transfers: Array<unknown> = []
    const sendEncoded = (encoded: EncodedExit): void => {
      if (transfers.length > 0) outbox.putNow({ _tag: "Exit", id, exit: encoded }, transfers)
      else outbox.put({ _tag: "Exit", id, exit: encoded })
      ended()
    }
    const encoding = Codec.exitToWire(codec, exit, transfers)
    const now = Codec.immediate(encoding)
    if (now !== undefined) return sendEncoded(now)
    Effect.runFork(Effect.map(encoding, sendEncoded))
  }
}

/** The requests of a task, where they can be seen while no message is delivered. */
class SharedFlags {
  private readonly control: ControlBlock.ControlBlock
  private readonly slot: number

  constructor(control: ControlBlock.ControlBlock, slot: number) {
    this.control = control
    this.slot = slot
  }

  get stopRequested(): boolean {
    return ControlBlock.flags(this.control, this.slot) !== 0
  }

  get interrupted(): boolean {
    return (ControlBlock.flags(this.control, this.slot) & ControlBlock.interruptFlag) !== 0
  }
}
