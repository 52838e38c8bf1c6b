/**
 * The worker's half of ending code outside sections: decides whether the fibers on a halted stack may be ended, and
 * interrupts the ended fibers afterwards.
 *
 * The guard needs private parts of Effect. `selfCheck.ts` tries them out. If the trial fails, nothing is ended.
 *
 * Invariants:
 * 1. Code may be ended only if each fiber on the stack belongs to the named task, is interruptible and runs no release, and
 *    if the stack is that of one task of the port scheduler. Then no other task's code is on the stack.
 * 2. The ended fibers are kept until the `repair` of their task, which interrupts each fiber once, in its async context.
 *    Code of another task may be ended before that.
 * 3. Forked fibers end before their parent, also if the parent was ended before it had recorded them.
 */
import { AsyncResource } from "node:async_hooks"
import * as CancelReason from "@quiesce/core/CancelReason"
import * as ThreadAdapter from "@quiesce/core/adapter"
import type * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import type { PortScheduler } from "../../scheduler/portScheduler.ts"
import * as Registry from "../../locks/registry.ts"
import * as Word from "../../wire/sectionWord.ts"
import { inSection, key, otherTasks, uninterruptible } from "../../wire/unwindContract.ts"
import * as EffectInternals from "../../wire/effectInternals.ts"
import * as SelfCheck from "./selfCheck.ts"
import * as ToolkitFolders from "./toolkitFolders.ts"

type AnyFiber = EffectInternals.AnyFiber

const globals = globalThis as { [key]?: Watch | undefined }

/** A fiber on a halted stack, and the async context for its end. */
interface Stalled {
  readonly fiber: AnyFiber
  readonly context: AsyncResource
}

/** The fibers of a halted stack. */
interface Stack {
  /** From the innermost outwards. */
  readonly fibers: Array<Stalled>
  /** The fibers that an unfinished concurrent step has forked. */
  readonly started: Array<Fiber.Fiber<unknown, unknown>>
  /** The set in which such a step records its fibers, and the fiber that it was about to record. */
  readonly notes: Array<readonly [Set<unknown>, AnyFiber]>
}

/** The ended code of a task. */
interface Ended {
  readonly task: number
  readonly stack: Stack
  /** The locks that the ended steps had requested. No other code knows of these requests yet. */
  readonly locks: ReadonlyArray<Registry.Asked>
}

const emptyStack = (): Stack => ({ fibers: [], started: [], notes: [] })

/** `taskOf` returns the task of a fiber; undefined for a fiber outside tasks. */
export interface Options {
  readonly scheduler: PortScheduler
  readonly words: Word.Words
  readonly index: number
  readonly taskOf: (fiber: Fiber.Fiber<unknown, unknown>) => number | undefined
  /** The problem with finding the fiber of an RPC handler; undefined without a problem, and without RPC. */
  readonly handlerProblem?: string | undefined
}

/** Makes the guard of this worker reachable for the host. */
export const install = (options: Options): Watch => (globals[key] = new Watch(options))

export class Watch {
  private readonly options: Options
  readonly selfCheck: SelfCheck.SelfCheck
  /** The reason for which no code outside sections may be ended in this worker. */
  private readonly problem: string | undefined
  /** Empty, except between `begin` and `decide`. */
  private stack: Stack = emptyStack()
  /** Ended code without a repair so far. */
  private ended: Array<Ended> = []

  constructor(options: Options) {
    this.options = options
    this.selfCheck = SelfCheck.run(options.handlerProblem)
    const { unwind } = this.selfCheck
    this.problem = unwind._tag === "SectionsAndOtherCode" ? undefined : unwind.why
    Registry.setStepSource(() => {
      const fiber = EffectInternals.currentFiber()
      return fiber === undefined ? undefined : this.stepOf(fiber)
    })
  }

  private stepOf(fiber: AnyFiber): Registry.Step {
    return { fiber, operation: fiber.currentOpCount, task: this.options.scheduler.currentTask }
  }

  // The host calls these methods while the worker is halted. They call no user code.

  /**
   * Begins a new decision. Returns the folders of this toolkit's code, or the reason for which nothing may be ended.
   */
  begin(): ReadonlyArray<string> | string {
    this.stack = emptyStack()
    // The task may have loaded another copy of core meanwhile.
    return this.problem ?? ToolkitFolders.copiesProblem() ?? this.selfCheck.folders
  }

  /**
   * Adds a fiber whose run loop is on the stack, from the innermost outwards. `context` is the async context of its resume,
   * if any. Contexts that the ended code has entered since are over.
   */
  addFiber(fiber: AnyFiber, context?: AsyncResource): void {
    this.stack.fibers.push({ fiber, context: context ?? new AsyncResource("QuiesceFiberGuard") })
  }

  /**
   * Adds the fibers that a concurrent step has forked so far. `inside` is the number of fibers on the stack inside the
   * step. False if the fibers are not known.
   */
  addForked(fibers: unknown, inside: number): boolean {
    // Undefined before the first fork.
    if (fibers === undefined) return true
    if (!(fibers instanceof Set)) return false
    this.stack.started.push(...fibers)
    const last = this.stack.fibers[inside - 1]
    if (last !== undefined) this.stack.notes.push([fibers, last.fiber])
    return true
  }

  /** The reason for which the code must not be ended; null if the code is ended and repaired next. */
  decide(task: number): string | null {
    const why = this.refusal(task)
    const { stack } = this
    const steps = stack.fibers.map(({ fiber }) => this.stepOf(fiber))
    if (why === null) {
      this.ended.push({ task, stack, locks: Registry.askedInSteps(steps) })
      // The concurrent step waits for the fibers in its set, and must wait for this fiber, too.
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
    if (fibers.some(({ fiber }) => isShielded(fiber))) return uninterruptible
    return null
  }

  /** Interrupts the ended fibers of a task. Must be called in a later turn of the event loop. */
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

/** The fiber of a release with a limit is interruptible, but shielded from each cancel. */
const isShielded = (fiber: AnyFiber): boolean =>
  !EffectInternals.isInterruptible(fiber) || ThreadAdapter.isReleasing(fiber)

const endStack = ({ fibers, started }: Stack, annotations: Context.Context<never>): void => {
  whenEnded(started, () => endInOrder(fibers, annotations))
  for (const fiber of started) fiber.interruptUnsafe(undefined, annotations)
}

/** Ends each fiber after the fiber inside it has ended. */
const endInOrder = (fibers: ReadonlyArray<Stalled>, annotations: Context.Context<never>): void => {
  const [first, ...others] = fibers
  if (first === undefined) return
  const { fiber, context } = first
  whenEnded([fiber], () => endInOrder(others, annotations))
  // Until now an interrupt of this fiber, such as by its scope, was kept back, because inner fibers must end first.
  EffectInternals.markStopped(fiber)
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
