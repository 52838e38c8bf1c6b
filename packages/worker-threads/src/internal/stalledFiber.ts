/**
 * The worker's side of ending code that is in no declared section: says whose fibers are on a halted stack, and sets
 * those right that were ended there.
 *
 * It rests on internals of Effect (a fiber's `_running`, the reference to the fiber that runs), so it first tries them
 * out and, where they are not as expected, refuses.
 *
 * Invariants:
 * 1. Code is given up only if each fiber on the stack belongs to the task that is meant and is interruptible, and the
 *    stack is that of one task of the port scheduler: then nobody else's code is on it.
 * 2. The fibers of a verdict are kept until `repair`, which lets each go on, as interrupted, once, in its async context.
 */
import { AsyncResource } from "node:async_hooks"
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { PortScheduler } from "./portScheduler.ts"
import * as Word from "./sectionWord.ts"

/** Where the host finds the watch of a worker, from any frame of a halted stack. */
export const key: "~@quiesce/worker-threads/StalledFiber" = "~@quiesce/worker-threads/StalledFiber"

/** Why what runs is not ended: it may be the task's turn a moment later. */
export const otherTasks = "other tasks are on the stack"

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
  private readonly problem: string | undefined = trial()
  private fibers: Array<Stalled> = []

  constructor(options: Options) {
    this.options = options
  }

  // Called by the host while the worker is halted. They call nothing of the user's.

  /**
   * A fiber whose run loop is on the stack, the innermost first. `context` is the one that it was resumed in, if it was:
   * where the code has entered others since, those are over with it.
   */
  saw(fiber: Internals, context?: AsyncResource): void {
    this.fibers.push({ fiber, context: context ?? new AsyncResource("QuiesceStalledFiber") })
  }

  /** Why the code must not be ended; null when it may. */
  verdict(task: number): string | null {
    const why = this.refusal(task)
    if (why !== null) this.fibers = []
    return why
  }

  private refusal(task: number): string | null {
    if (this.problem !== undefined) return this.problem
    const { scheduler, words, index, taskOf } = this.options
    if (Word.look(words, index).state !== Word.idle) return "a declared section runs"
    if (this.fibers.length === 0 || this.fibers[0]!.fiber !== globals[currentKey]) return "what runs is not a fiber"
    if (!scheduler.isInTask) return "the fiber does not run on the worker's scheduler"
    if (this.fibers.some(({ fiber }) => taskOf(fiber) !== task)) return otherTasks
    if (this.fibers.some(({ fiber }) => fiber.interruptible !== true)) return "what runs is uninterruptible"
    return null
  }

  /** Sets right what was ended. Must be called on a turn of the event loop after it. */
  repair(reason: CancelReason.CancelReason): void {
    const fibers = this.fibers
    this.fibers = []
    if (fibers.length === 0) return
    globals[currentKey] = undefined
    this.options.scheduler.reset()
    for (const { fiber } of fibers) fiber._running = false
    for (const { fiber, context } of fibers) {
      context.runInAsyncScope(() => fiber.interruptUnsafe(undefined, CancelReason.toAnnotations(reason)))
      context.emitDestroy()
    }
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
