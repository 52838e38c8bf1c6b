/**
 * How far the host reaches into one worker's running code: its inspector line, and what that can end.
 *
 * Invariants:
 * 1. Only a section of the task that is meant is ended, and only in the very run that was seen.
 * 2. A grace that runs belongs to a task that has not ended; with that it is over.
 * 3. The line is opened before the worker is started, and closed when it is gone. A worker is kept waiting for it only
 *    for a time: it goes by way of the main thread, which may be busy.
 */
import type { Worker } from "node:worker_threads"
import type { UnwindOutcome } from "@quiesce/core/ThreadControls"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { Attachment } from "../../inspector/attachment.ts"
import { type ControlBlock, word } from "../../wire/controlBlock.ts"
import type { Unwind } from "../../wire/handshake.ts"
import * as Debugger from "../../inspector/halt.ts"
import * as Inspector from "../../inspector/connection.ts"
import * as Word from "../../wire/sectionWord.ts"
import { inSection } from "../../wire/unwindContract.ts"
import * as UnwindFiber from "./unwindFiber.ts"
import * as Unwinder from "./unwindSection.ts"

/** What the worker is told after its code was ended, and what is known of its tasks, by their ids. */
export interface Listener {
  readonly unwound: (run: number) => void
  readonly repair: (task: number) => void
  /** Whether a task has not ended. */
  readonly runs: (task: number) => boolean
  /** What can be ended in this worker. */
  readonly unwind: Unwind
}

type State =
  | { readonly _tag: "Opening" }
  | { readonly _tag: "Open"; readonly attachment: Attachment }
  | { readonly _tag: "Closed"; readonly why: string }

/** Attaching takes a millisecond or two where the main thread has time for it. */
const patienceMillis = 1000

export class WorkerInspector {
  private readonly control: ControlBlock
  private readonly listener: Listener
  private readonly scope = Scope.makeUnsafe()
  /** Of tasks whose section was given time to notice an interrupt by itself. */
  private readonly graces: Map<number, Fiber.Fiber<unknown>> = new Map()
  private state: State = { _tag: "Opening" }
  private opening: Fiber.Fiber<Attachment, unknown> | undefined = undefined
  private readonly letGo: () => void

  /** Before the worker is started. */
  constructor(control: ControlBlock, listener: Listener) {
    this.control = control
    this.listener = listener
    this.letGo = Inspector.hold()
  }

  /** Opens the line, in the turn in which the worker is started. */
  open(worker: Worker): void {
    this.opening = Effect.runFork(Scope.provide(Inspector.attach(worker), this.scope))
    this.opening.addObserver((exit) => {
      if (this.state._tag !== "Opening") return
      this.state = Exit.isSuccess(exit)
        ? { _tag: "Open", attachment: exit.value }
        : { _tag: "Closed", why: "The worker could not be attached to" }
    })
  }

  /** Calls `then` when the line is open, or could not be opened, or that takes too long to be waited for. */
  whenOpen(then: () => void): void {
    if (this.state._tag !== "Opening") return then()
    const impatient = setTimeout(then, patienceMillis)
    this.opening?.addObserver(() => {
      clearTimeout(impatient)
      then()
    })
  }

  /** The worker is gone, or was never there. */
  over(): void {
    this.close()
    this.letGo()
  }

  /** Closes the line: the worker is about to end. */
  close(): void {
    this.state = { _tag: "Closed", why: "The worker is gone" }
    for (const task of this.graces.keys()) this.ended(task)
    Effect.runFork(Scope.close(this.scope, Exit.void))
  }

  get locate(): Effect.Effect<Option.Option<string>> {
    return this.state._tag === "Open" ? Debugger.locate(this.state.attachment) : Effect.succeedNone
  }

  /** Ends the section of a task, if one runs, when its grace is over. Returns at once. */
  interruptSection(task: number): void {
    const run = this.runOf(task)
    if (run === undefined) return
    const grace = Atomics.load(this.control.words, word.sectionGrace)
    if (grace <= 0) return void Effect.runFork(this.unwindRun(run))
    // A later interrupt does not give it more time.
    if (this.graces.has(task)) return
    this.graces.set(task, Effect.runFork(Effect.andThen(Effect.sleep(grace), this.unwindRun(run))))
  }

  /** A task has ended: nobody waits for its grace to be over. */
  ended(task: number): void {
    this.graces.get(task)?.interruptUnsafe()
    this.graces.delete(task)
  }

  /** Ends what a task runs, declared or not. Gives what came of the first attempt; where that may pass, others follow. */
  unwind(task: number): Effect.Effect<UnwindOutcome> {
    const isOver = (): boolean => !this.listener.runs(task)
    const attempt = this.unwindOnce(task, isOver)
    return Effect.tap(attempt, (outcome) => Effect.forkDetach(UnwindFiber.retryUntilEnded(outcome, attempt, isOver)))
  }

  private unwindOnce(task: number, isOver: () => boolean): Effect.Effect<UnwindOutcome> {
    return Effect.suspend(() => {
      const run = this.runOf(task)
      if (run !== undefined) return this.unwindRun(run)
      const { state } = Word.look(this.control.words, word.section)
      if (state === Word.masked) return refused(Unwinder.masked)
      const { unwind } = this.listener
      if (unwind._tag !== "SectionsAndOtherCode") return refused(state === Word.idle ? unwind.why : inSection)
      if (this.state._tag !== "Open") return refused(this.why)
      return Effect.map(UnwindFiber.unwindFiber(this.state.attachment, task, isOver), (outcome) => {
        if (outcome._tag === "Unwound") this.listener.repair(task)
        return outcome
      })
    })
  }

  private unwindRun(run: number): Effect.Effect<UnwindOutcome> {
    return Effect.suspend(() => {
      if (this.state._tag !== "Open") return refused(this.why)
      const { attachment } = this.state
      const { words } = this.control
      return Unwinder.unwind({ attachment, words, index: word.section, unwound: this.listener.unwound }, run)
    })
  }

  /** The run of the section of a task that can be ended now. */
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
