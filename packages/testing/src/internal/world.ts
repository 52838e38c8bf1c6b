/**
 * What the interpreters of one run share: the subject, the clock, the trace and the threads so far.
 *
 * Invariants:
 * 1. `events` only grows, in the order in which things happened.
 * 2. A thread is in `threads` from before its body can wait until the end of the run.
 */
import type { CancelReason } from "@quiesce/core/CancelReason"
import * as Thread from "@quiesce/core/Thread"
import { isThreadError } from "@quiesce/core/ThreadError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Queue from "effect/Queue"
import * as Semaphore from "effect/Semaphore"
import type { AnyThread, Subject, Work } from "../Subject.ts"
import type { Event } from "../Trace.ts"
import type { VirtualClock } from "../VirtualClock.ts"

/** An event without its time. */
export type Happening = Event extends infer One ? (One extends Event ? Omit<One, "at"> : never) : never

export interface Known {
  readonly name: string
  readonly thread: AnyThread
  readonly scope: string
}

export class World {
  readonly subject: Subject
  readonly clock: VirtualClock
  readonly queue: Queue.Queue<number>
  readonly semaphore: Semaphore.Semaphore = Semaphore.makeUnsafe(1)
  readonly events: Array<Event> = []
  readonly threads: Map<string, Known> = new Map()
  private readonly reasons: Map<string, CancelReason> = new Map()
  private lastId = 0

  constructor(subject: Subject, clock: VirtualClock, queue: Queue.Queue<number>) {
    this.subject = subject
    this.clock = clock
    this.queue = queue
  }

  nextId(): number {
    return ++this.lastId
  }

  note(happening: Happening): void {
    this.events.push({ at: this.clock.currentTimeMillisUnsafe(), ...happening })
    for (const { name, thread } of this.threads.values()) {
      const { reason } = thread
      const first = this.reasons.get(name)
      if (first === undefined && reason !== undefined) this.reasons.set(name, reason)
      if (first === undefined || first === reason || happening._tag === "ReasonChanged") continue
      this.note({ _tag: "ReasonChanged", thread: name })
    }
  }

  noting(happening: () => Happening): Effect.Effect<void> {
    return Effect.sync(() => this.note(happening()))
  }

  /** Notes a new thread and, whenever that comes, its end. */
  admit(known: Known, parent: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.threads.set(known.name, known)
      const late = known.thread.controls.poll() !== undefined && !this.hasStarted(known.name)
      this.note({ _tag: "Spawned", thread: known.name, parent, scope: known.scope, late })
      const settled = Effect.flatMap(known.thread.controls.exit, (exit) =>
        this.noting(() => ({ _tag: "Settled", thread: known.name, exit, live: this.liveBelow(known.name) }))
      )
      return Effect.forkDetach(settled, { startImmediately: true })
    })
  }

  isCancelled(name: string): boolean {
    return this.threads.get(name)?.thread.signal.aborted === true
  }

  /** The live descendants of a thread. */
  liveBelow(name: string): ReadonlyArray<string> {
    return this.live((known) => known.name.startsWith(`${name}.`))
  }

  /** The live threads that were spawned into a scope. */
  liveIn(scope: string): ReadonlyArray<string> {
    return this.live((known) => known.scope === scope)
  }

  private live(among: (known: Known) => boolean): ReadonlyArray<string> {
    return [...this.threads.values()]
      .filter((known) => among(known) && known.thread.controls.poll() === undefined)
      .map((known) => known.name)
  }

  private hasStarted(name: string): boolean {
    return this.events.some((event) => event._tag === "Started" && event.thread === name)
  }
}

/** What programs raise. */
export class Letter extends Error {
  readonly letter: number
  constructor(letter: number) {
    super("raised")
    this.letter = letter
  }
}
class LetterA extends Letter {}
class LetterB extends Letter {}

export const errors: Record<"A" | "B", new (letter: number) => Letter> = { A: LetterA, B: LetterB }

/** Raises a letter and notes what became of it. */
export const raise = (world: World, by: string, target: Known, error: "A" | "B"): Work =>
  Effect.uninterruptibleMask((restore) => {
    const letter = world.nextId()
    world.note({ _tag: "Asked", thread: target.name, id: letter, how: "raise", message: by, wasAlive: isAlive(target) })
    return Effect.onExit(restore(world.subject.raise(target.thread, new errors[error](letter))), (exit) =>
      world.noting(() =>
        exit._tag === "Success"
          ? { _tag: "RaiseAnswered", thread: target.name, letter, delivered: exit.value }
          : { _tag: "RaiseWithdrawn", thread: target.name, letter }
      )
    )
  })

/** Asks, and notes when the asking returned and with which exit there. */
export const asking = (
  world: World,
  target: Known,
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
        exit: target.thread.controls.poll(),
        live: world.liveBelow(target.name),
        result
      }))
    )
  })

const isAlive = (known: Known): boolean => known.thread.controls.poll() === undefined

/** Whether a timed join changed its thread: the state before and after, when nobody else acted. */
export const statusOf = (known: Known): Effect.Effect<string> =>
  Effect.map(Thread.status(known.thread), (status) => status._tag)

export type AnyExit = Exit.Exit<unknown, unknown>

/** Whether an exit says that its thread was abandoned. */
export const isAbandoned = (exit: AnyExit | undefined): boolean =>
  exit?._tag === "Failure" &&
  exit.cause.reasons.some(
    (reason) => Cause.isDieReason(reason) && isThreadError(reason.defect) && reason.defect.reason._tag === "Abandoned"
  )

export const anyAbandoned = (threads: ReadonlyMap<string, Known>): boolean =>
  [...threads.values()].some(({ thread }) => isAbandoned(thread.controls.poll()))
