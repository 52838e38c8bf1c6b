/**
 * The worker's side of ending code that is in no declared section: says whose fibers are on a halted stack, and sets
 * those right that were ended there.
 *
 * It needs private parts of Effect. `selfCheck.ts` tries them out. If they are not as expected, nothing is ended.
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
import type * as Fiber from "effect/Fiber"
import type { PortScheduler } from "../../scheduler/portScheduler.ts"
import * as Registry from "../../locks/registry.ts"
import * as Word from "../../wire/sectionWord.ts"
import { inSection, key, otherTasks, uninterruptible } from "../../wire/unwindContract.ts"
import * as EffectInternals from "../../wire/effectInternals.ts"
import * as SelfCheck from "./selfCheck.ts"

type AnyFiber = EffectInternals.AnyFiber

const globals = globalThis as { [key]?: Watch | undefined }

/** A fiber on a halted stack, and what it is to go on in. */
interface Stalled {
  readonly fiber: AnyFiber
  readonly context: AsyncResource
}

/** What is on a halted stack. */
interface Stack {
  /** The innermost first. */
  readonly fibers: Array<Stalled>
  /** What they have started side by side, in a step that is not over. */
  readonly started: Array<Fiber.Fiber<unknown, unknown>>
  /** Where such a step notes what it has started, and the fiber that it was about to note there. */
  readonly notes: Array<readonly [Set<unknown>, AnyFiber]>
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
  /** Why the fiber of an RPC handler can't be found; undefined if it can, or if there is none. */
  readonly handlerProblem?: string | undefined
}

/** Makes this worker's stalled fibers reachable for the host. */
export const install = (options: Options): Watch => (globals[key] = new Watch(options))

export class Watch {
  private readonly options: Options
  readonly selfCheck: SelfCheck.SelfCheck
  /** Why nothing outside sections may be ended in this worker. */
  private readonly problem: string | undefined
  /** Empty, but between `look` and `verdict`. */
  private stack: Stack = emptyStack()
  /** Ended, and not repaired yet. */
  private ended: Array<Ended> = []

  constructor(options: Options) {
    this.options = options
    this.selfCheck = SelfCheck.run(options.handlerProblem)
    const { unwind } = this.selfCheck
    this.problem = unwind._tag === "SectionsAndOtherCode" ? undefined : unwind.why
    Registry.tellSteps(() => {
      const fiber = EffectInternals.currentFiber()
      return fiber === undefined ? undefined : this.stepOf(fiber)
    })
  }

  private stepOf(fiber: AnyFiber): Registry.Step {
    return { fiber, operation: fiber.currentOpCount, task: this.options.scheduler.currentTask }
  }

  // Called by the host while the worker is halted. They call nothing of the user's.

  /**
   * Begins a look, whatever an earlier one has come to. Returns the folders of this toolkit's code, or a text that says why
   * nothing may be ended.
   */
  begin(): ReadonlyArray<string> | string {
    this.stack = emptyStack()
    return this.problem ?? this.selfCheck.folders
  }

  /**
   * A fiber whose run loop is on the stack, the innermost first. `context` is the one that it was resumed in, if it was:
   * where the code has entered others since, those are over with it.
   */
  addFiber(fiber: AnyFiber, context?: AsyncResource): void {
    this.stack.fibers.push({ fiber, context: context ?? new AsyncResource("QuiesceStalledFiber") })
  }

  /**
   * The fibers that a step which starts several has started until now; `inside` says how many are on the stack inside it.
   * False if it can't be told which fibers these are.
   */
  addForked(fibers: unknown, inside: number): boolean {
    // Undefined as long as it has started none.
    if (fibers === undefined) return true
    if (!(fibers instanceof Set)) return false
    this.stack.started.push(...fibers)
    const last = this.stack.fibers[inside - 1]
    if (last !== undefined) this.stack.notes.push([fibers, last.fiber])
    return true
  }

  /** Why the code must not be ended; null when it is to be, and be repaired then. */
  decide(task: number): string | null {
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
    if (fibers.length === 0 || fibers[0]!.fiber !== EffectInternals.currentFiber()) return "what runs is not a fiber"
    if (scheduler.currentTask === undefined) return "the fiber does not run on the worker's scheduler"
    const all = [...fibers.map(({ fiber }) => fiber), ...started]
    if (all.some((fiber) => fiber.pollUnsafe() === undefined && taskOf(fiber) !== task)) return otherTasks
    if (fibers.some(({ fiber }) => !EffectInternals.isInterruptible(fiber))) return uninterruptible
    return null
  }

  /** Sets right what was ended of a task. Must be called on a turn of the event loop after it. */
  repair(task: number, reason: CancelReason.CancelReason): void {
    const mine = this.ended.filter((one) => one.task === task)
    if (mine.length === 0) return
    this.ended = this.ended.filter((one) => one.task !== task)
    EffectInternals.forgetCurrentFiber()
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
  EffectInternals.letGo(fiber)
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
