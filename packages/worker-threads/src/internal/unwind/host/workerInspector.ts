/**
 * The host's inspector line to one worker, by which running code of the worker is ended.
 *
 * Invariants:
 * 1. Only a section of the named task is ended, and only the run that the host has seen.
 * 2. A pending grace belongs to a live task, and is dropped at the end of the task.
 * 3. The line is opened before the worker starts, and closed when the worker is gone. The start waits for the line only
 *    for a limited time, because the line goes through the main thread, which may be busy.
 * 4. Requests run on fibers of their own, without the services of the caller. None of them outlives the line.
 */
import type { Worker } from "node:worker_threads"
import * as ThreadAdapter from "@quiesce/core/adapter"
import type { UnwindOutcome } from "@quiesce/core/adapter"
import { messageOf } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { Attachment } from "../../inspector/attachment.ts"
import { type ControlBlock, word } from "../../wire/controlBlock.ts"
import type { Unwind } from "../../wire/handshake.ts"
import * as Heartbeat from "../../wire/heartbeat.ts"
import * as Debugger from "../../inspector/halt.ts"
import * as Inspector from "../../inspector/connection.ts"
import * as Word from "../../wire/sectionWord.ts"
import { inSection } from "../../wire/unwindContract.ts"
import { apart } from "./apart.ts"
import * as Orphans from "./orphans.ts"
import * as WorkerDump from "./workerDump.ts"
import * as UnwindFiber from "./unwindFiber.ts"
import * as Unwinder from "./unwindSection.ts"

/** The messages to the worker after an end of code, and the state of its tasks by their ids. */
export interface Listener {
  readonly unwound: (run: number) => void
  readonly repair: (task: number) => void
  /** Sends a message without content. */
  readonly wake: () => void
  /** Whether a task has not ended. */
  readonly runs: (task: number) => boolean
  /** The code that can be ended in this worker. */
  readonly unwind: Unwind
}

type State =
  | { readonly _tag: "Opening" }
  | { readonly _tag: "Open"; readonly attachment: Attachment }
  | { readonly _tag: "Closed"; readonly why: string }

/** Attaching takes one or two milliseconds if the main thread is not busy. */
const patienceMillis = 1000

/** The limit on the wait for the end of a halt. Native code does not answer, and can't be terminated either. */
const haltMillis = 1000

/** The limit on the wait for an outcome if the engine does not answer. */
const outcomeMillis = 1200

/** The pause between two looks at an engine that has no outcome yet. */
const deafLookMillis = 200

/**
 * A line to a worker that starts next, or a call of `failed` with the reason for which there is none. `permission`
 * completes when it is known whether code can be ended in this process at all.
 */
export const make = (
  control: ControlBlock,
  listener: Listener,
  permission: Effect.Effect<Unwind>,
  failed: (why: string) => void
): Option.Option<WorkerInspector> => {
  try {
    return Option.some(new WorkerInspector(control, listener, permission))
  } catch (cause) {
    failed(messageOf(cause))
    return Option.none()
  }
}

export class WorkerInspector {
  private readonly control: ControlBlock
  private readonly listener: Listener
  private readonly permission: Effect.Effect<Unwind>
  private readonly heartbeat: Heartbeat.Heartbeat
  private readonly scope = Scope.makeUnsafe()
  /** The pending graces of sections, by task. */
  private readonly graces: Map<number, Fiber.Fiber<unknown>> = new Map()
  /** Further attempts after the first outcome, by task. Nobody awaits them. */
  private readonly retries: Map<number, Fiber.Fiber<unknown>> = new Map()
  /** The threads that `endOrphans` has named. */
  private readonly orphans = new Set<number>()
  private state: State = { _tag: "Opening" }
  private opening: Fiber.Fiber<Attachment, unknown> | undefined = undefined
  private readonly releaseInspector: () => void
  private removeDumps: () => void = () => {}

  /** Must be called before the start of the worker. */
  constructor(control: ControlBlock, listener: Listener, permission: Effect.Effect<Unwind>) {
    this.permission = permission
    this.control = control
    this.listener = listener
    this.heartbeat = Heartbeat.make(control, () => listener.wake())
    this.releaseInspector = Inspector.hold()
  }

  /** Opens the line. Must be called in the same turn as the start of the worker. */
  open(worker: Worker): void {
    const { threadId } = worker
    this.removeDumps = ThreadAdapter.provideDumps(
      Effect.suspend(() =>
        this.state._tag === "Open" ? apart(WorkerDump.of(this.state.attachment, threadId)) : Effect.succeed([])
      )
    )
    this.opening = Effect.runFork(Scope.provide(Inspector.attach(worker), this.scope))
    this.opening.addObserver((exit) => {
      if (this.state._tag !== "Opening") return
      this.state = Exit.isSuccess(exit)
        ? { _tag: "Open", attachment: exit.value }
        : { _tag: "Closed", why: "The worker could not be attached to" }
    })
  }

  /** Calls `then` when the line is open, has failed to open, or takes too long. */
  whenOpen(then: () => void): void {
    if (this.state._tag !== "Opening") return then()
    const impatient = setTimeout(then, patienceMillis)
    this.opening?.addObserver(() => {
      clearTimeout(impatient)
      then()
    })
  }

  /**
   * Calls `then` when the worker can't come to a halt any more. A worker that comes to a halt while it is terminated
   * stays there for good. No code of the worker is ended by this line from now on.
   */
  withoutHalt(then: () => void): void {
    if (this.state._tag !== "Open" || !this.state.attachment.isBusy) return then()
    const { attachment } = this.state
    this.state = { _tag: "Closed", why: "The worker is being terminated" }
    let isOver = false
    const once = (): void => {
      if (isOver) return
      isOver = true
      clearTimeout(impatient)
      then()
    }
    const impatient = setTimeout(once, haltMillis)
    attachment.send("Debugger.disable", undefined, once)
  }

  /** Ends the code of threads below the worker, because the worker was terminated. */
  endOrphans(threadIds: ReadonlyArray<number>): void {
    for (const threadId of threadIds) this.orphans.add(threadId)
    Orphans.end(threadIds)
  }

  /** Closes the line for good: the worker is gone, or did not start. */
  over(): void {
    this.close()
    // The threads below the worker have ended before the worker.
    Orphans.over(this.orphans)
    this.releaseInspector()
  }

  /** Closes the line before the end of the worker. */
  close(): void {
    this.removeDumps()
    this.state = { _tag: "Closed", why: "The worker is gone" }
    for (const task of [...this.graces.keys(), ...this.retries.keys()]) this.ended(task)
    Effect.runFork(Scope.close(this.scope, Exit.void))
  }

  get locate(): Effect.Effect<Option.Option<string>> {
    return Effect.suspend(() =>
      this.state._tag === "Open" ? apart(Debugger.locate(this.state.attachment, this.heartbeat)) : Effect.succeedNone
    )
  }

  /** Ends the running section of a task after its grace. Returns at once. */
  interruptSection(task: number): void {
    const run = this.runOf(task)
    if (run === undefined) return
    const grace = Atomics.load(this.control.words, word.sectionGrace)
    const ending = this.permitted(this.unwindRun(run))
    if (grace <= 0) return void Effect.runFork(ending)
    // A later interrupt does not extend the grace.
    if (this.graces.has(task)) return
    this.graces.set(task, Effect.runFork(Effect.andThen(Effect.sleep(grace), ending)))
  }

  /** Drops the grace of an ended task, and the pause before the next attempt. */
  ended(task: number): void {
    if (this.graces.size === 0 && this.retries.size === 0) return
    for (const fibers of [this.graces, this.retries]) {
      const fiber = fibers.get(task)
      fibers.delete(task)
      fiber?.interruptUnsafe()
    }
  }

  /**
   * Ends the running code of a task, in a section or outside. Returns the first outcome; more attempts follow until the
   * task has ended. If the engine does not answer, the outcome is a refusal, and the attempt still goes on.
   */
  unwind(task: number): Effect.Effect<UnwindOutcome> {
    return Effect.suspend(() => {
      const fiber = Effect.runFork(this.attempt(task, UnwindFiber.searching))
      const more = Effect.sync(() => this.retry(task, fiber))
      return Effect.raceFirst(
        Effect.tap(Fiber.join(fiber), () => more),
        Effect.tap(this.deafness, () => more)
      ).pipe(Effect.onInterrupt(() => Fiber.interrupt(fiber)))
    })
  }

  private attempt(task: number, limits: Debugger.Limits): Effect.Effect<UnwindOutcome> {
    return this.permitted(this.unwindOnce(task, limits))
  }

  /** Tries again after the outcome of `first`. A task has one such fiber: the one of its latest unwind. */
  private retry(task: number, first: Fiber.Fiber<UnwindOutcome>): void {
    const isOver = (): boolean => !this.listener.runs(task)
    if (isOver()) return
    const again = this.attempt(task, UnwindFiber.looking)
    const fiber = Effect.runFork(
      Effect.flatMap(Fiber.join(first), (outcome) => UnwindFiber.retryUntilEnded(outcome, again, isOver))
    )
    this.retries.get(task)?.interruptUnsafe()
    this.retries.set(task, fiber)
    fiber.addObserver(() => {
      if (this.retries.get(task) === fiber) this.retries.delete(task)
    })
  }

  /** Completes if the engine does not answer. The first look is before the end of the grace that a pool gives by default. */
  private get deafness(): Effect.Effect<UnwindOutcome> {
    const isDeaf = Effect.sync(() => this.state._tag === "Open" && this.state.attachment.isDeaf)
    const isDeafLater = Effect.tap(isDeaf, (isDeaf) => (isDeaf ? Effect.void : Debugger.wait(deafLookMillis)))
    return Debugger.wait(outcomeMillis).pipe(
      Effect.andThen(Effect.repeat(isDeafLater, { until: Boolean })),
      Effect.andThen(refused(Debugger.deaf))
    )
  }

  private unwindOnce(task: number, limits: Debugger.Limits): Effect.Effect<UnwindOutcome> {
    const isOver = (): boolean => !this.listener.runs(task)
    return Effect.suspend(() => {
      const run = this.runOf(task)
      if (run !== undefined) return this.unwindRun(run)
      const { state } = Word.look(this.control.words, word.section)
      if (state === Word.masked) return refused(Unwinder.masked)
      const { unwind } = this.listener
      if (unwind._tag !== "SectionsAndOtherCode") return refused(state === Word.idle ? unwind.why : inSection)
      if (this.state._tag !== "Open") return refused(this.why)
      const attempt = UnwindFiber.unwindFiber(this.state.attachment, task, isOver, this.heartbeat, limits)
      return Effect.tap(attempt, (outcome) => {
        if (outcome._tag === "Unwound") this.listener.repair(task)
        return Effect.void
      })
    })
  }

  private permitted(attempt: Effect.Effect<UnwindOutcome>): Effect.Effect<UnwindOutcome> {
    return Effect.flatMap(this.permission, (unwind) => (unwind._tag === "None" ? refused(unwind.why) : attempt))
  }

  private unwindRun(run: number): Effect.Effect<UnwindOutcome> {
    return Effect.suspend(() => {
      if (this.state._tag !== "Open") return refused(this.why)
      const { attachment } = this.state
      const { words } = this.control
      return Unwinder.unwind({ attachment, words, index: word.section, unwound: this.listener.unwound }, run)
    })
  }

  /** The run of a task's section that can be ended now. */
  private runOf(task: number): number | undefined {
    const { words } = this.control
    const { run, state } = Word.look(words, word.section)
    return state === Word.running && Atomics.load(words, word.sectionTask) === task ? run : undefined
  }

  private get why(): string {
    return this.state._tag === "Closed" ? this.state.why : "The worker is being attached to"
  }
}

const refused = (why: string): Effect.Effect<UnwindOutcome> => Effect.succeed({ _tag: "Refused", why })
