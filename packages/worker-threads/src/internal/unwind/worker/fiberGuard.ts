/**
 * The worker's side of ending code that is in no declared section: says whose fibers are on a halted stack, and sets
 * those right that were ended there.
 *
 * It rests on internals of Effect (a fiber's `_running`, the reference to the fiber that runs, the turns of fibers), so it
 * first tries them out and, where they are not as expected, refuses.
 *
 * Invariants:
 * 1. Code is given up only if each fiber on the stack belongs to the task that is meant and is interruptible, and the
 *    stack is that of one task of the port scheduler: then nobody else's code is on it.
 * 2. The fibers of a verdict are kept for their task until its `repair`, which lets each go on, as interrupted, once, in
 *    its async context. Another task's code may be ended before that.
 * 3. What one of them has started ends before it, though it may have been ended before it had taken note of that.
 */
import { AsyncResource } from "node:async_hooks"
import * as CancelReason from "@quiesce/core/CancelReason"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { PortScheduler } from "../../scheduler/portScheduler.ts"
import * as Registry from "../../locks/registry.ts"
import type { Unwind } from "../../wire/handshake.ts"
import * as Word from "../../wire/sectionWord.ts"
import { inSection, key, otherTasks, uninterruptible } from "../../wire/unwindContract.ts"
import * as ToolkitFolders from "./toolkitFolders.ts"
import * as Turns from "../../scheduler/deferredResume.ts"

const currentKey = "~effect/Fiber/currentFiber"

/** What Effect keeps of a fiber, as far as it is touched here. */
interface Internals extends Fiber.Fiber<unknown, unknown> {
  interruptible: boolean | undefined
  _running: boolean | undefined
}

const globals = globalThis as { [currentKey]?: Internals | undefined; [key]?: Watch | undefined }

/** A fiber on a halted stack, and what it is to go on in. */
interface Stalled {
  readonly fiber: Internals
  readonly context: AsyncResource
}

/** What is on a halted stack. */
interface Stack {
  /** The innermost first. */
  readonly fibers: Array<Stalled>
  /** What they have started side by side, in a step that is not over. */
  readonly started: Array<Fiber.Fiber<unknown, unknown>>
  /** Where such a step notes what it has started, and the fiber that it was about to note there. */
  readonly notes: Array<readonly [Set<unknown>, Internals]>
}

/** What was ended of a task. */
interface Ended {
  readonly task: number
  readonly stack: Stack
  /** The locks that the code had asked for in the steps that it was in: nobody else knows of them yet. */
  readonly locks: ReadonlyArray<Registry.Asked>
}

const emptyStack = (): Stack => ({ fibers: [], started: [], notes: [] })

/** `taskOf` tells the task that a fiber is part of; undefined where it is of none. */
export interface Options {
  readonly scheduler: PortScheduler
  readonly words: Word.Words
  readonly index: number
  readonly taskOf: (fiber: Fiber.Fiber<unknown, unknown>) => number | undefined
}

/** Makes this worker's stalled fibers reachable for the host. */
export const install = (options: Options): Watch => (globals[key] = new Watch(options))

export class Watch {
  private readonly options: Options
  private readonly found = ToolkitFolders.find()
  /** Why nothing may be ended in this worker. */
  private readonly problem: string | undefined = this.found.problem ?? trial() ?? Turns.install()
  /** Empty, but between `look` and `verdict`. */
  private stack: Stack = emptyStack()
  /** Ended, and not repaired yet. */
  private ended: Array<Ended> = []

  /** What the host can end in this worker. */
  get unwind(): Unwind {
    return this.problem === undefined ? { _tag: "SectionsAndOtherCode" } : { _tag: "SectionsOnly", why: this.problem }
  }

  constructor(options: Options) {
    this.options = options
    Registry.tellSteps(() => {
      const fiber = globals[currentKey]
      return fiber === undefined ? undefined : this.stepOf(fiber)
    })
  }

  private stepOf(fiber: Internals): Registry.Step {
    return { fiber, operation: fiber.currentOpCount, task: this.options.scheduler.currentTask }
  }

  // Called by the host while the worker is halted. They call nothing of the user's.

  /**
   * Begins a look, whatever an earlier one has come to. Returns the folders of this toolkit's code, or a text that says why
   * nothing may be ended.
   */
  look(): ReadonlyArray<string> | string {
    this.stack = emptyStack()
    return this.problem ?? this.found.folders ?? []
  }

  /**
   * A fiber whose run loop is on the stack, the innermost first. `context` is the one that it was resumed in, if it was:
   * where the code has entered others since, those are over with it.
   */
  saw(fiber: Internals, context?: AsyncResource): void {
    this.stack.fibers.push({ fiber, context: context ?? new AsyncResource("QuiesceStalledFiber") })
  }

  /** The fibers that a step which starts several has started until now; `inside` says how many are on the stack inside it. */
  sawStarted(fibers: unknown, inside: number): void {
    if (!(fibers instanceof Set)) return
    this.stack.started.push(...fibers)
    const last = this.stack.fibers[inside - 1]
    if (last !== undefined) this.stack.notes.push([fibers, last.fiber])
  }

  /** Why the code must not be ended; null when it is to be, and be repaired then. */
  verdict(task: number): string | null {
    const why = this.refusal(task)
    const { stack } = this
    const steps = stack.fibers.map(({ fiber }) => this.stepOf(fiber))
    if (why === null) {
      this.ended.push({ task, stack, locks: Registry.askedInSteps(steps) })
      // What waits for those that it has started ends before this is repaired, and has to wait for this one, too.
      for (const [set, fiber] of stack.notes) set.add(fiber)
    }
    this.stack = emptyStack()
    return why
  }

  private refusal(task: number): string | null {
    if (this.problem !== undefined) return this.problem
    const { scheduler, words, index, taskOf } = this.options
    if (Word.look(words, index).state !== Word.idle) return inSection
    const { fibers, started } = this.stack
    if (fibers.length === 0 || fibers[0]!.fiber !== globals[currentKey]) return "what runs is not a fiber"
    if (scheduler.currentTask === undefined) return "the fiber does not run on the worker's scheduler"
    const all = [...fibers.map(({ fiber }) => fiber), ...started]
    if (all.some((fiber) => fiber.pollUnsafe() === undefined && taskOf(fiber) !== task)) return otherTasks
    if (fibers.some(({ fiber }) => fiber.interruptible !== true)) return uninterruptible
    return null
  }

  /** Sets right what was ended of a task. Must be called on a turn of the event loop after it. */
  repair(task: number, reason: CancelReason.CancelReason): void {
    const mine = this.ended.filter((one) => one.task === task)
    if (mine.length === 0) return
    this.ended = this.ended.filter((one) => one.task !== task)
    globals[currentKey] = undefined
    this.options.scheduler.reset()
    const annotations = CancelReason.toAnnotations(reason)
    for (const { locks, stack } of mine) {
      Registry.abandon(locks)
      endStack(stack, annotations)
    }
  }
}

const endStack = ({ fibers, started }: Stack, annotations: Context.Context<never>): void => {
  whenEnded(started, () => endInOrder(fibers, annotations))
  for (const fiber of started) fiber.interruptUnsafe(undefined, annotations)
}

/** Ends each when the one inside it has ended. */
const endInOrder = (fibers: ReadonlyArray<Stalled>, annotations: Context.Context<never>): void => {
  const [first, ...others] = fibers
  if (first === undefined) return
  const { fiber, context } = first
  whenEnded([fiber], () => endInOrder(others, annotations))
  // Until now whoever else interrupts it, as its scope may, has that put off: it must not end before those inside it.
  fiber._running = false
  context.runInAsyncScope(() => fiber.interruptUnsafe(undefined, annotations))
  context.emitDestroy()
}

const whenEnded = (fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>, f: () => void): void => {
  let left = fibers.length
  if (left === 0) return f()
  for (const fiber of fibers) {
    fiber.addObserver(() => {
      if (--left === 0) f()
    })
  }
}

/** Whether the internals are as expected: of a fiber in its run loop, and of the same one suspended. */
const trial = (): string | undefined => {
  let inside = false
  const probe = Effect.withFiber((fiber) => {
    // Just what is to be found out.
    inside = (fiber as Internals)._running === true && globals[currentKey] === fiber
    return Effect.never
  })
  const fiber = Effect.runFork(probe) as Fiber.Fiber<unknown, unknown> as Internals
  const outside = fiber._running === false && globals[currentKey] !== fiber && fiber.interruptible === true
  // As an end by force leaves it.
  fiber._running = true
  fiber.interruptUnsafe()
  const held = fiber.pollUnsafe() === undefined
  fiber._running = false
  fiber.interruptUnsafe()
  const ended = fiber.pollUnsafe() !== undefined
  return inside && outside && held && ended ? undefined : "this version of Effect is not known here"
}
