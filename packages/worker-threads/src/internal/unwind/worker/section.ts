/**
 * Runs the synchronous sections of a worker so that the host can end one of them, and nothing else.
 *
 * A section runs in the handler of a port message of its own, with its fiber suspended. If the engine ends the handler, no
 * other run loop, microtask, timer or message is on the stack or waits in the same turn.
 *
 * Invariants:
 * 1. One word of shared memory has the current run and its state. Only the host claims a run (running to claimed) and takes
 *    a claim back. Only the worker makes all other changes.
 * 2. A run that is claimed at its end waits until it is ended, so that no later code can be ended by mistake.
 * 3. A run number is used again only after all others, so that a request for one run never reaches the next.
 * 4. A section under a mask, or in a release, can't be claimed.
 * 5. A job is resumed once: with its outcome, or by `ended` if its run was ended. Finalizers of its fiber never run while
 *    the section is on the stack.
 */
import { AsyncResource } from "node:async_hooks"
import { MessageChannel, type MessagePort } from "node:worker_threads"
import type * as Blocking from "@quiesce/core/Blocking"
import * as CancelReason from "@quiesce/core/CancelReason"
import type * as StopToken from "@quiesce/core/StopToken"
import * as ThreadAdapter from "@quiesce/core/adapter"
import { readOr, sectionExit } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Registry from "../../locks/registry.ts"
import { isInterruptible } from "../../wire/effectInternals.ts"
import * as Word from "../../wire/sectionWord.ts"

/**
 * The host claims `words[index]`. `token` is the token for the sections of the current fiber. `onStart` gets the fiber and
 * the grace of a section before the word changes to running, so that the host sees the stored values when it claims.
 */
export interface Options {
  readonly words: Word.Words
  readonly index: number
  readonly token: Effect.Effect<StopToken.StopToken>
  readonly onStart?: ((fiber: Fiber.Fiber<unknown, unknown>, graceMillis: number) => void) | undefined
}

interface Job {
  /** Stores the owner of the job, checks the token, and runs the section. */
  readonly execute: () => Exit.Exit<unknown>
  readonly token: StopToken.StopToken
  readonly context: AsyncResource
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly graceMillis: number
  /** The number of frames of errors before the section; set at its start. */
  stackTraceLimit: number
  /** The owner of the locks that the job requests; set at its start. */
  locks?: Registry.Section
  state:
    | { readonly _tag: "Waiting"; readonly resume: Resume }
    | { readonly _tag: "Running"; readonly resume: Resume }
    /** The interrupted fiber of a running job waits for the end of the job. */
    | { readonly _tag: "Leaving"; readonly left: () => void }
    | { readonly _tag: "Done" }
}

type Resume = (exit: Exit.Exit<unknown>) => void

const done: Job["state"] = { _tag: "Done" }

/** The runner of all sections of this worker. */
export interface SectionRunner extends Blocking.Runner {
  /** Resumes the job of a run that the host has ended. Must be called in a later turn of the event loop. */
  readonly ended: (run: number) => void
  /**
   * Does the same for a claimed run whose fiber is interrupted. Must be called where no section can be on the stack, such as
   * in the handler of a message: the claimed run has then been ended, and the host's message about that is on its way.
   */
  readonly endClaimed: () => void
  /** Closes the port. Waiting sections never start, and their fibers resume as interrupted. */
  readonly close: () => void
}

export const make = (options: Options): SectionRunner => new Runner(options)

class Runner implements SectionRunner {
  readonly preemption: "unwind" = "unwind"
  private readonly options: Options
  private readonly word: Word.Word
  /** Jobs in the order of their messages. */
  private readonly waiting: Array<Job> = []
  /** The current run, and ended runs before their `ended`. */
  private readonly open = new Map<number, Job>()
  private readonly sender: MessagePort
  private readonly receiver: MessagePort
  private run = 0

  constructor(options: Options) {
    this.options = options
    this.word = Word.at(options.words, options.index)
    const { port1, port2 } = new MessageChannel()
    this.sender = port1
    this.receiver = port2
    port2.on("message", this.onMessage)
    port2.unref()
  }

  readonly interruptible = <A>(section: (token: StopToken.StopToken) => A, graceMillis: number): Effect.Effect<A> =>
    Effect.flatMap(this.options.token, (token) =>
      Effect.withFiber((fiber) => {
        // A section inside a section, through `runSync`, is a part of the outer section.
        if (Word.isBusy(this.word)) return evaluate(section, token)
        // Under a mask, and so in a finalizer, nothing is ended: a cancel waits for the end of the mask. The fiber of a
        // release with a limit is interruptible, but shielded from each cancel.
        if (!isInterruptible(fiber) || ThreadAdapter.isReleasing(fiber)) {
          return Effect.suspend(() => this.masked(() => evaluate(section, token)))
        }
        return Effect.callback<A>((resume) => {
          // The exit has the type of this section.
          const job = this.enqueue(section, token, fiber, graceMillis, (exit) => resume(exit as Exit.Exit<A>))
          return this.leave(job)
        })
      })
    )

  readonly uninterruptible = <A>(section: () => A): Effect.Effect<A> =>
    Effect.uninterruptible(Effect.suspend(() => sectionExit(this.masked(section), "Blocking.uninterruptible")))

  ended(run: number): void {
    const job = this.open.get(run)
    if (job === undefined) return
    this.open.delete(run)
    Word.clear(this.word, run)
    // Core and Effect change the number of frames for a moment, and the section may have been ended in that moment.
    Error.stackTraceLimit = job.stackTraceLimit
    // The section's `finally` did not run, so its synchronous locks are still held.
    if (job.locks !== undefined) Registry.abandon(Registry.askedInSection(job.locks))
    finish(job, interruption(job.token))
  }

  endClaimed(): void {
    const { run } = this
    if (this.open.get(run)?.state._tag === "Leaving" && Word.isClaimed(this.word, run)) this.ended(run)
  }

  close(): void {
    this.receiver.close()
    for (const job of this.waiting.splice(0)) finish(job, interruption(job.token))
  }

  private enqueue(
    section: (token: StopToken.StopToken) => unknown,
    token: StopToken.StopToken,
    fiber: Fiber.Fiber<unknown, unknown>,
    graceMillis: number,
    resume: Resume
  ): Job {
    const job: Job = {
      execute: () => evaluate(section, token),
      token,
      fiber,
      graceMillis,
      stackTraceLimit: Error.stackTraceLimit,
      context: new AsyncResource("QuiesceSection"),
      state: { _tag: "Waiting", resume }
    }
    if (this.waiting.push(job) === 1) this.receiver.ref()
    this.sender.postMessage(null)
    return job
  }

  private readonly onMessage = (): void => {
    const job = this.waiting.shift()
    if (this.waiting.length === 0) this.receiver.unref()
    if (job?.state._tag !== "Waiting") return
    job.state = { _tag: "Running", resume: job.state.resume }
    job.context.runInAsyncScope(() => this.execute(job))
  }

  private execute(job: Job): void {
    const run = this.begin()
    // A section before may have been ended already, and not be taken out yet.
    const [before] = this.open.values()
    job.stackTraceLimit = before?.stackTraceLimit ?? Error.stackTraceLimit
    this.open.set(run, job)
    this.options.onStart?.(job.fiber, job.graceMillis)
    job.locks = Registry.beginSection(() => this.run === run && Word.isBusy(this.word), job.fiber)
    Word.start(this.word, run)
    // The host could not claim the section for a cancel from before the word changed.
    const exit = job.token.interrupted ? interruption(job.token) : job.execute()
    Word.finish(this.word, run)
    this.open.delete(run)
    // The interrupt of the fiber, with the real reason, is on its way.
    if (isOnTheWay(exit)) leftTo(job)
    else finish(job, exit)
  }

  /** Waits for the end of the section. Checks and registers in one step, because the section may end between two steps. */
  private leave(job: Job): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (job.state._tag === "Running") job.state = { _tag: "Leaving", left: () => resume(Effect.void) }
      else {
        job.state = done
        resume(Effect.void)
      }
    })
  }

  private masked<A>(section: () => A): A {
    const busy = Word.isBusy(this.word)
    const run = busy ? this.run : this.begin()
    const restore = Word.mask(this.word, run, busy)
    try {
      return section()
    } finally {
      restore()
    }
  }

  private begin(): number {
    this.run = Word.next(this.run)
    return this.run
  }
}

const finish = (job: Job, exit: Exit.Exit<unknown>): void => {
  const state = job.state
  job.state = done
  if (state._tag === "Leaving") state.left()
  else if (state._tag !== "Done") state.resume(exit)
}

/**
 * Waits for the interruption of the job's fiber, which has the reason. A child thread of the task may not be interrupted
 * while the task itself is ending. Then the reason of the token is enough.
 */
const leftTo = (job: Job): void => {
  if (job.state._tag !== "Running") return finish(job, interruption(job.token))
  if (job.token.reason !== ThreadAdapter.pendingReason) return finish(job, interruption(job.token))
  setImmediate(leftTo, job)
}

const isOnTheWay = (exit: Exit.Exit<unknown>): boolean =>
  Exit.isFailure(exit) && CancelReason.firstOfCause(exit.cause) === ThreadAdapter.pendingReason

/** An error thrown by `token.check` interrupts the section. */
const evaluate = <A>(section: (token: StopToken.StopToken) => A, token: StopToken.StopToken): Exit.Exit<A> => {
  try {
    return sectionExit(section(token), "Blocking.interruptible")
  } catch (thrown) {
    const reason = readOr(() => (thrown instanceof CancelReason.CancelError ? thrown.reason : undefined), undefined)
    return CancelReason.isCancelReason(reason) ? Exit.failCause(CancelReason.toCause(reason)) : Exit.die(thrown)
  }
}

/** An interruption with the reason of the thread's cancel, if known. */
const interruption = (token: StopToken.StopToken): Exit.Exit<never> =>
  Exit.failCause(
    CancelReason.toCause(token.reason ?? CancelReason.interrupted({ message: "The section was ended from outside" }))
  )
