/**
 * The shared state of the interpreters of one run: the subject, the clock, the trace and the threads so far.
 *
 * Invariants:
 * 1. `events` only grows, in the order of events.
 * 2. A thread is in `threads` from before its body can wait until the end of the run.
 *
 * @since 0.1.0
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as ThreadAdapter from "@quiesce/core/adapter"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { LiveThreads } from "./interpret/liveThreads.ts"
import type { Ended } from "./Outcome.ts"
import type { Spin } from "./Program.ts"
import type { AnyThread, Subject, Work } from "./Subject.ts"
import type { Event, Happening } from "./Trace.ts"

/**
 * The clock of a world: the time, delayed calls, and the passing of time in synchronous code.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Timer {
  readonly currentTimeMillisUnsafe: () => number
  readonly after: (millis: number, wake: () => void) => () => void
  readonly pass: (millis: number) => void
}

/**
 * A spawned thread with its path and its scope.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface NamedThread {
  readonly name: string
  readonly thread: AnyThread
  readonly scope: string
}

/**
 * The options of a world. `onEvent` gets each event at once. Ids count from `firstId` (default 0), so that two worlds of
 * one run have different ids. `spin` is the body of a synchronous section (default: empty). With `ledger`, the trace also
 * has the ledger's events of the first thread (default: not). With `preempts`, the platform ends a busy section at its
 * deadline by force; otherwise the section notices its deadline itself (default). `task` returns the number of the current
 * task of a scheduler under which an interrupt of a woken fiber waits for the end of the fiber's task (default: no interrupt
 * waits). With `ownScope`, the body of the first thread has a scope of its own below the thread's scope (default: not).
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly subject: Subject
  readonly clock: Timer
  readonly onEvent?: ((event: Event) => void) | undefined
  readonly firstId?: number | undefined
  readonly spin?: ((how: Spin, shielded: boolean) => void) | undefined
  readonly ledger?: boolean | undefined
  readonly preempts?: boolean | undefined
  readonly task?: (() => number) | undefined
  readonly ownScope?: boolean | undefined
}

/**
 * The shared state of the interpreters of one run.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface World {
  readonly subject: Subject
  readonly clock: Timer
  readonly queue: Queue.Queue<number>
  readonly semaphore: Semaphore.Semaphore
  readonly events: ReadonlyArray<Event>
  readonly threads: Map<string, NamedThread>
  readonly spin: (how: Spin, shielded: boolean) => void
  readonly preempts: boolean
  readonly task: (() => number) | undefined
  readonly ownScope: boolean
  readonly nextId: () => number
  readonly note: (happening: Happening) => void
  readonly noting: (happening: () => Happening) => Effect.Effect<void>
  /** Records a new thread and its end. */
  readonly admit: (known: NamedThread, parent: string) => Effect.Effect<void>
  readonly isCancelled: (name: string) => boolean
  /** The live descendants of a thread. */
  readonly liveBelow: (name: string) => ReadonlyArray<string>
  /** The live threads that were spawned into a scope. */
  readonly liveIn: (scope: string) => ReadonlyArray<string>
  /** The state of each thread now. */
  readonly ended: () => ReadonlyMap<string, Ended>
  /** The items in the queue. */
  readonly queued: () => ReadonlyArray<number>
  readonly isUnlocked: () => boolean
}

class Fate implements Ended {
  readonly name: string
  readonly scope: string
  readonly exit: Ended["exit"]
  readonly reason: Ended["reason"]
  private readonly thread: AnyThread

  constructor({ name, scope, thread }: NamedThread) {
    this.name = name
    this.scope = scope
    this.thread = thread
    this.exit = ThreadAdapter.controlsOf(thread).poll()
    this.reason = thread.reason
  }

  /** Read only on demand, because reading creates the signal. */
  get signalReason(): Ended["signalReason"] {
    const { stopSignal } = this.thread
    return stopSignal.aborted ? CancelReason.fromUnknown(stopSignal.reason) : undefined
  }
}

/**
 * Up to this number of threads, each event compares the reasons of all. With more threads, the events between two
 * comparisons are as many more, so that the events of a chain don't each cost as much as the chain.
 */
const comparedAtOnce = 64

class Shared implements World {
  readonly subject: Subject
  readonly clock: Timer
  readonly queue: Queue.Queue<number>
  readonly semaphore: Semaphore.Semaphore = Semaphore.makeUnsafe(1)
  readonly events: Array<Event> = []
  readonly threads: Map<string, NamedThread> = new Map()
  readonly spin: World["spin"]
  readonly preempts: boolean
  readonly task: World["task"]
  readonly ownScope: boolean
  private readonly reasons: Map<string, CancelReason.CancelReason> = new Map()
  /** All threads, in the order of their spawns. */
  private readonly order: Array<NamedThread> = []
  /** Counts the events since all reasons were compared, each as many threads. */
  private uncompared = 0
  private readonly live: LiveThreads = new LiveThreads((name) => this.isLive(this.threads.get(name)))
  private readonly ledger: boolean
  private readonly onEvent: ((event: Event) => void) | undefined
  private lastId: number

  constructor(options: Options, queue: Queue.Queue<number>) {
    this.subject = options.subject
    this.queue = queue
    this.clock = options.clock
    this.onEvent = options.onEvent
    this.lastId = options.firstId ?? 0
    this.spin = options.spin ?? (() => {})
    this.ledger = options.ledger ?? false
    this.preempts = options.preempts ?? false
    this.task = options.task
    this.ownScope = options.ownScope ?? false
  }

  nextId(): number {
    return ++this.lastId
  }

  note(happening: Happening): void {
    const event: Event = { at: this.clock.currentTimeMillisUnsafe(), ...happening }
    this.events.push(event)
    this.onEvent?.(event)
    if (happening._tag !== "ReasonChanged") this.compareReasons(happening.thread)
  }

  /** Compares the reason of a thread, and the reasons of all threads, less often if they are many. */
  private compareReasons(thread: string): void {
    const known = this.threads.get(thread)
    if (known !== undefined) this.compareReason(known)
    this.uncompared += comparedAtOnce
    if (this.uncompared < this.order.length) return
    this.uncompared = 0
    for (const other of this.order) this.compareReason(other)
  }

  private compareReason(known: NamedThread): void {
    const { reason } = known.thread
    if (reason === undefined) return
    const first = this.reasons.get(known.name)
    if (first === undefined) this.reasons.set(known.name, reason)
    else if (first !== reason) this.note({ _tag: "ReasonChanged", thread: known.name })
  }

  noting(happening: () => Happening): Effect.Effect<void> {
    return Effect.sync(() => this.note(happening()))
  }

  admit(known: NamedThread, parent: string): Effect.Effect<void> {
    return Effect.sync(() => {
      if (this.ledger && this.threads.size === 0) this.watch(known)
      this.threads.set(known.name, known)
      this.order.push(known)
      this.live.add(known.name)
      const late = ThreadAdapter.controlsOf(known.thread).poll() !== undefined && !this.hasStarted(known.name)
      this.note({ _tag: "Spawned", thread: known.name, parent, scope: known.scope, late })
      ThreadAdapter.onExit(known.thread, (exit) =>
        this.note({
          _tag: "Settled",
          thread: known.name,
          exit,
          reason: known.thread.reason,
          live: this.liveBelow(known.name)
        })
      )
    })
  }

  private watch({ name, thread }: NamedThread): void {
    /** The name of a lease: its thread and a number. A kept lease belongs to the first thread. */
    const ownerOf = (lease: string): string => (lease.split("/", 2).length === 2 ? lease.split("/", 1)[0]! : name)
    const names = new Map<object, string>()
    ThreadAdapter.observeLeases(thread, {
      entered: (key, lease) => {
        names.set(key, lease)
        this.note({ _tag: "Entered", thread: ownerOf(lease), lease })
      },
      settled: (key, fate, failure) => {
        const lease = names.get(key)
        if (lease !== undefined) this.note({ _tag: "Left", thread: ownerOf(lease), lease, fate, failure })
      }
    })
  }

  isCancelled(name: string): boolean {
    return this.threads.get(name)?.thread.signal.aborted === true
  }

  liveBelow(name: string): ReadonlyArray<string> {
    return this.live.below(name)
  }

  liveIn(scope: string): ReadonlyArray<string> {
    return this.order.filter((known) => known.scope === scope && this.isLive(known)).map(({ name }) => name)
  }

  ended(): ReadonlyMap<string, Ended> {
    for (const known of this.order) this.compareReason(known)
    const ended = new Map<string, Ended>()
    for (const known of this.threads.values()) ended.set(known.name, new Fate(known))
    return ended
  }

  queued(): ReadonlyArray<number> {
    // The lock has one holder at most.
    return Queue.sizeUnsafe(this.queue) === 0 ? [] : [Effect.runSync(Queue.peek(this.queue))]
  }

  isUnlocked(): boolean {
    return Effect.runSync(this.semaphore.takeIfAvailable(1))
  }

  private isLive(known: NamedThread | undefined): boolean {
    return known !== undefined && ThreadAdapter.controlsOf(known.thread).poll() === undefined
  }

  private hasStarted(name: string): boolean {
    return this.events.some((event) => event._tag === "Started" && event.thread === name)
  }
}

/**
 * Makes a world without events. Waiters of its shared parts resume on the scheduler of the current fiber.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<World> =>
  Effect.map(Queue.bounded<number>(1), (queue) => new Shared(options, queue))

// ---- Requests ----

/** The errors that programs raise. They cross threads by their Schemas. */
class LetterA extends Schema.TaggedError<LetterA>("@quiesce/testing/LetterA")("LetterA", { letter: Schema.Number }) {}
class LetterB extends Schema.TaggedError<LetterB>("@quiesce/testing/LetterB")("LetterB", { letter: Schema.Number }) {}

/** @stability unstable @category constructors @since 0.1.0 */
export type Letter = Error & { readonly letter: number }

/**
 * The classes of the errors that programs raise, each a Schema.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const errors: Readonly<
  Record<"A" | "B", (new (fields: { readonly letter: number }) => Letter) & Schema.Codec<Letter, unknown>>
> = { A: LetterA, B: LetterB }

/**
 * Raises a letter and records the result. With `within`, the letter is withdrawn after so many milliseconds.
 *
 * @stability unstable
 * @category asking
 * @since 0.1.0
 */
export const raise = (world: World, by: string, target: NamedThread, error: "A" | "B", within?: number): Work =>
  Effect.uninterruptibleMask((restore) => {
    const letter = world.nextId()
    const { raise, raiseWithin } = world.subject
    const raised = new errors[error]({ letter })
    const raising = within === undefined ? raise(target.thread, raised) : raiseWithin(target.thread, raised, within)
    world.note({ _tag: "Asked", thread: target.name, id: letter, how: "raise", message: by, wasAlive: isAlive(target) })
    return Effect.onExit(restore(raising), (exit) =>
      world.noting(() =>
        exit._tag === "Success"
          ? { _tag: "RaiseAnswered", thread: target.name, letter, delivered: exit.value }
          : { _tag: "RaiseWithdrawn", thread: target.name, letter }
      )
    )
  })

/**
 * Makes a request, and records the time and the exit of its return.
 *
 * @stability unstable
 * @category asking
 * @since 0.1.0
 */
export const asking = (
  world: World,
  target: NamedThread,
  how: "stop" | "interrupt" | "interruptFork" | "shutdown",
  message: string,
  ask: (id: number) => Work
): Work =>
  Effect.uninterruptibleMask((restore) => {
    const id = world.nextId()
    world.note({ _tag: "Asked", thread: target.name, id, how, message, wasAlive: isAlive(target) })
    return Effect.onExit(restore(ask(id)), (result) =>
      world.noting(() => ({
        _tag: "Returned",
        thread: target.name,
        id,
        exit: ThreadAdapter.controlsOf(target.thread).poll(),
        live: world.liveBelow(target.name),
        result
      }))
    )
  })

const isAlive = (known: NamedThread): boolean => ThreadAdapter.controlsOf(known.thread).poll() === undefined
