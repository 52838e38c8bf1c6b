/**
 * One run of a plain function: its cancels, its waits and its trace. Nothing here loads Effect.
 *
 * Code is a generator that yields the promises that it awaits. A mask is code that does not look at its signal and its token.
 */
import type * as StopToken from "@quiesce/core/StopToken"
import type { Instruction } from "@quiesce/testing/laws/Program"
import type { Task } from "@quiesce/worker-threads"
import { cell } from "../workers/messages.ts"
import type { Given } from "../workers/TestPool.ts"
import type { EncodedEvent } from "../workers/wire.ts"
import type { PlainFault } from "./plainContract.ts"
import type { Current, Harness } from "./plainHarness.ts"
import { encoded, known, type PlainHappening, reasonOf } from "./plainWords.ts"
import { Timers } from "./timers.ts"

export type Of<Tag extends Instruction["_tag"]> = Extract<Instruction, { readonly _tag: Tag }>

/** Code of the function. */
export type Code = Generator<PromiseLike<unknown>, void, unknown>

/** A held lease. */
export interface Held extends Pick<Of<"Acquire">, "release" | "within"> {
  readonly lease: string
}

/** The position of an instruction. */
export interface Position {
  readonly scope: string
  readonly held: Array<Held>
  readonly masked: boolean
  readonly locked: boolean
  /** Whether the block around is to end after a request to stop. */
  readonly stops: boolean
}

/** Takes a lock of the host. */
export type Lock = (mutex: Given["mutex"]) => { readonly release: () => void }

/** The parts of the worker that a run needs. */
export interface PlainWorker {
  readonly harness: Harness
  readonly lock: Lock | undefined
  readonly fault: PlainFault | undefined
  /** Shortens the grace of the running section to some milliseconds of real time. The result restores the grace. */
  readonly shortenGrace: () => () => void
}

/** The failures of the releases of a scope. */
export class NotReleased extends AggregateError {}

/** Ends the block of an `UntilStopped`. */
export const stopped = new Error("stopped")

export const thread = "t"

export class PlainRun implements Current {
  readonly run: number
  readonly timers: Timers
  readonly cuts: Array<{ readonly step: number; readonly index: number; readonly unseen: boolean }>
  readonly given: Given
  readonly worker: PlainWorker
  readonly context: Task.TaskContext
  isSync = true
  hasSettled = false
  /** Set while a loop runs. It stays set if the loop is ended by force. */
  isLooping = false
  /** The leases and the cleanups that the end of the code must not skip. */
  guards = 0
  leases = 0
  ids = 0
  spins = 0
  private events: Array<EncodedEvent> = []
  private firstReason: string | undefined = undefined

  constructor(given: Given, context: Task.TaskContext, worker: PlainWorker) {
    const { cut, run, scenario } = given
    this.run = run
    this.given = given
    this.worker = worker
    this.context = context
    this.timers = new Timers(worker.harness.cells)
    const cuts =
      cut === null || scenario.waits !== undefined
        ? []
        : scenario.plan.map(({ after, unseen = false }, index) => ({ step: cut + after, index, unseen }))
    this.cuts = cuts.toSorted((a, b) => a.step - b.step)
  }

  settled(): void {
    this.hasSettled = true
    // The end is sent at once, because the worker may be killed before it is idle.
    this.flush()
    this.worker.harness.happened()
  }

  // ---- Cancels ----

  get isCancelled(): boolean {
    return this.context.token.interrupted
  }

  /** A step, after which a cancel is noticed. */
  *point(place: Position): Code {
    if (this.worker.harness.step() && !this.isSync) yield this.worker.harness.arrived()
    this.look()
    if (place.masked) return
    if (place.stops && this.context.token.stopRequested && !this.isCancelled) throw stopped
    this.check(place)
  }

  check({ masked }: Position): void {
    if (!masked && this.worker.fault !== "never looks at its token") this.context.token.check()
  }

  /** The error at the end of a stretch that may have delayed a cancel. The cancel hides no failure of a release. */
  leaving(place: Position, error: unknown): unknown {
    if (error !== stopped && !(error instanceof NotReleased)) this.check(place)
    return error
  }

  /** The reason that the function sees. */
  get reason(): StopToken.StopToken["reason"] {
    const reason = known(this.context.token.reason)
    const isChanged = this.worker.fault === "changes its reason" && reason !== undefined
    return isChanged ? { ...reason, message: `${reason.message} ${this.timers.now} ${this.leases}` } : reason
  }

  /** Records a change of the reason, and a signal with another reason than the token. */
  look(): void {
    const { signal, token } = this.context
    const reason = token.stopRequested ? this.reason : undefined
    if (reason === undefined) return
    const text = JSON.stringify(reason)
    const isSame = !signal.aborted || JSON.stringify(reasonOf(signal.reason)) === JSON.stringify(known(token.reason))
    this.firstReason ??= text
    if (this.firstReason !== text || !isSame) this.note({ _tag: "ReasonChanged", thread })
  }

  // ---- Waits ----

  *sleep(place: Position, millis: number): Code {
    if (millis <= 0) return
    if (!place.masked) return void (yield this.interruptible(millis))
    try {
      yield this.worker.fault === "wakes under masks" ? this.interruptible(millis) : this.wait(millis)
    } catch (error) {
      this.note({ _tag: "MaskBroken", thread })
      throw error
    }
  }

  wait(millis: number): Promise<void> {
    return new Promise((resolve) => this.timers.after(millis, resolve))
  }

  /** A wait that an abort ends. */
  interruptible(millis: number): Promise<void> {
    const { signal } = this.context
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const onAbort = (): void => {
        cancel()
        reject(signal.reason)
      }
      const cancel = this.timers.after(millis, () => {
        signal.removeEventListener("abort", onAbort)
        resolve()
      })
      signal.addEventListener("abort", onAbort, { once: true })
    })
  }

  // ---- The trace ----

  hasEnded(): boolean {
    return this.hasSettled || this.isLooping
  }

  note(happening: PlainHappening): void {
    const { cells } = this.worker.harness
    this.events.push(encoded(Atomics.add(cells, cell.sequence, 1), this.timers.now, happening))
    this.worker.harness.happened()
  }

  flush(): void {
    if (this.events.length > 0) this.worker.harness.post({ _tag: "Trace", run: this.run, events: this.events })
    this.events = []
  }

  finish(steps: number): void {
    this.flush()
    const left = { tasks: 0, sleeps: this.timers.pending, listeners: 0, queued: [] }
    this.worker.harness.post({ _tag: "Finished", run: this.run, steps, threads: [], orphans: [], ...left })
  }
}
