/**
 * Runs the synchronous sections of a worker so that the host can end one of them, and nothing else.
 *
 * A section runs in the handler of a port message of its own, with its fiber suspended: when the engine ends the
 * handler, no run loop, microtask, timer or message of anybody else is on the stack or behind it in the same turn.
 *
 * Invariants:
 * 1. One word of shared memory says what runs: a run and its state. Only the host claims (running to claimed) and takes
 *    a claim back; only the worker does everything else.
 * 2. A run that finds itself claimed at its end waits there until it is ended, so no later code can be hit.
 * 3. A run number is used again only after all others, so that what is meant for one run never reaches the next.
 * 4. Under a mask a section is one that nobody can claim.
 * 5. A job is resumed once: with its outcome, or, when its run was ended, by `ended`. Finalizers of its fiber never run
 *    while the section is on the stack.
 */
import { AsyncResource } from "node:async_hooks"
import { MessageChannel, type MessagePort } from "node:worker_threads"
import type * as Blocking from "@quiesce/core/Blocking"
import * as CancelReason from "@quiesce/core/CancelReason"
import type * as StopToken from "@quiesce/core/StopToken"
import * as ThreadAdapter from "@quiesce/core/ThreadAdapter"
import type * as ThreadError from "@quiesce/core/ThreadError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Registry from "../../locks/registry.ts"
import { isInterruptible } from "../../wire/effectInternals.ts"
import * as Word from "../../wire/sectionWord.ts"

/**
 * `words[index]` is what the host claims. `token` is what a section of the current fiber polls. `onStart` is told whose
 * section comes, and its grace, before the word says that it runs: what is stored there is seen by whoever claims it.
 */
export interface Options {
  readonly words: Word.Words
  readonly index: number
  readonly token: Effect.Effect<StopToken.StopToken, ThreadError.ThreadError>
  readonly onStart?: ((fiber: Fiber.Fiber<unknown, unknown>, graceMillis: number) => void) | undefined
}

interface Job {
  /** Stores whose job it is, looks at the token, and runs the section. */
  readonly execute: () => Exit.Exit<unknown>
  readonly token: StopToken.StopToken
  readonly context: AsyncResource
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly graceMillis: number
  /** To which the locks belong that it asks for; there since it began. */
  locks?: Registry.Section
  state:
    | { readonly _tag: "Waiting"; readonly resume: Resume }
    | { readonly _tag: "Running"; readonly resume: Resume }
    /** Its fiber was interrupted while it ran, and waits for its end. */
    | { readonly _tag: "Leaving"; readonly left: () => void }
    | { readonly _tag: "Done" }
}

type Resume = (exit: Exit.Exit<unknown>) => void

const done: Job["state"] = { _tag: "Done" }

/** How the sections of this worker are run; one for each worker. */
export interface SectionRunner extends Blocking.Runner {
  /** The host has ended a run. Must be called on a turn of the event loop after it; of no effect for any other run. */
  readonly ended: (run: number) => void
  /** Frees the port. Sections that wait never start; they are resumed as interrupted. */
  readonly close: () => void
}

export const make = (options: Options): SectionRunner => new Runner(options)

class Runner implements SectionRunner {
  readonly preemption: "unwind" = "unwind"
  private readonly options: Options
  private readonly word: Word.Word
  /** Jobs in the order of their messages. */
  private readonly waiting: Array<Job> = []
  /** The run that is under way, and runs that were ended and whose end has not been told yet. */
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

  readonly interruptible = <A>(
    section: (token: StopToken.StopToken) => A,
    graceMillis: number
  ): Effect.Effect<A, ThreadError.ThreadError> =>
    Effect.flatMap(this.options.token, (token) =>
      Effect.withFiber((fiber) => {
        // A section inside a section, by way of `runSync`, is a part of it.
        if (this.word.isBusy()) return evaluate(section, token)
        // Under a mask, and so in a finalizer, nothing is ended: a cancel waits until the mask is lifted.
        if (!isInterruptible(fiber)) return Effect.suspend(() => this.masked(() => evaluate(section, token)))
        return Effect.callback<A>((resume) => {
          // The exit is that of this very section.
          const job = this.enqueue(section, token, fiber, graceMillis, (exit) => resume(exit as Exit.Exit<A>))
          return this.leave(job)
        })
      })
    )

  readonly uninterruptible = <A>(section: () => A): Effect.Effect<A> =>
    Effect.uninterruptible(Effect.sync(() => this.masked(section)))

  ended(run: number): void {
    const job = this.open.get(run)
    if (job === undefined) return
    this.open.delete(run)
    this.word.clear(run)
    // Its `finally` did not run, so that locks it took in synchronous code are still held.
    if (job.locks !== undefined) Registry.abandon(Registry.askedInSection(job.locks))
    finish(job, interruption(job.token))
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
    this.open.set(run, job)
    this.options.onStart?.(job.fiber, job.graceMillis)
    job.locks = Registry.beginSection(() => this.run === run && this.word.isBusy())
    this.word.start(run)
    // A cancel that came before the word said so was not the host's to claim.
    const exit = job.token.interrupted ? interruption(job.token) : job.execute()
    this.word.finish(run)
    this.open.delete(run)
    // The fiber is interrupted soon, with the reason itself.
    if (isOnTheWay(exit)) leftTo(job)
    else finish(job, exit)
  }

  /** What the fiber's interruption waits for. Looked at and noted in one step, as the section may end between two. */
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
    const busy = this.word.isBusy()
    const run = busy ? this.run : this.begin()
    const restore = this.word.mask(run, busy)
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
 * The job waits for the interruption of its fiber, which the reason comes with. That of a thread below the task's may
 * stay away, as long as the task itself is busy ending: then the reason is enough.
 */
const leftTo = (job: Job): void => {
  if (job.state._tag !== "Running") return finish(job, interruption(job.token))
  if (job.token.reason !== ThreadAdapter.pendingReason) return finish(job, interruption(job.token))
  setImmediate(leftTo, job)
}

const isOnTheWay = (exit: Exit.Exit<unknown>): boolean =>
  Exit.isFailure(exit) && CancelReason.firstOfCause(exit.cause) === ThreadAdapter.pendingReason

/** What `token.check` throws is not a failure of the section but its interruption. */
const evaluate = <A>(section: (token: StopToken.StopToken) => A, token: StopToken.StopToken): Exit.Exit<A> => {
  try {
    return Exit.succeed(section(token))
  } catch (thrown) {
    return thrown instanceof CancelReason.CancelError
      ? Exit.failCause(CancelReason.toCause(thrown.reason))
      : Exit.die(thrown)
  }
}

/** For the reason that the thread was cancelled for, if it was. */
const interruption = (token: StopToken.StopToken): Exit.Exit<never> =>
  Exit.failCause(CancelReason.toCause(token.reason ?? CancelReason.interrupted("The section was ended from outside")))
