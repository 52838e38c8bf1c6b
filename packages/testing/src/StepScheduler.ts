/**
 * A scheduler that counts the steps of all fibers, can make a fiber yield at any step, and keeps all tasks in one queue.
 *
 * Invariants:
 * 1. A cut makes the fiber at its step yield. The action of the cut is the next task, so that no other fiber runs before.
 * 2. Without a seed, tasks run first in, first out. With a seed, the seed chooses the next task, the same way each time.
 *
 * @since 0.1.0
 */
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
import { random } from "./internal/time/random.ts"
import { checkSteps } from "./internal/wording.ts"

/**
 * The action at a step.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface StepAction {
  /** Counted from 1. */
  readonly step: number
  readonly action: () => void
}

/**
 * The order of tasks, and the cuts. `seed` defaults to none. After `budget` steps (default 20,000) a program counts as
 * endless. `onStep` gets each fiber before its step, after the step was counted, and may return an action for a cut.
 * `onTask` gets each queued task.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly seed?: number | undefined
  readonly budget?: number | undefined
  readonly cuts?: ReadonlyArray<StepAction> | undefined
  readonly onStep?: ((fiber: Fiber.Fiber<unknown, unknown>) => (() => void) | undefined) | undefined
  readonly onTask?: (() => void) | undefined
}

/**
 * A scheduler that counts steps.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface StepScheduler extends Scheduler.Scheduler {
  readonly steps: number
  /** The number of queued tasks. */
  readonly pending: number
  /** Whether the budget is spent. */
  readonly exhausted: boolean
  /** Runs one task. False if no task is queued. */
  readonly runTask: () => boolean
}

class Stepping implements StepScheduler {
  readonly executionMode: "async" = "async"
  steps = 0
  private readonly tasks: Array<() => void> = []
  private readonly next: (() => number) | undefined
  private readonly onTask: Options["onTask"]
  private readonly budget: number
  private readonly onStep: Options["onStep"]
  private readonly cuts: Array<StepAction>
  private due: Array<() => void> = []
  private readonly dispatcher: Scheduler.SchedulerDispatcher = {
    scheduleTask: (task) => {
      this.tasks.push(task)
      this.onTask?.()
    },
    flush: () => {
      while (this.runTask());
    }
  }

  constructor(options: Options) {
    this.next = options.seed === undefined ? undefined : random(options.seed)
    this.budget = options.budget ?? 20_000
    this.onStep = options.onStep
    this.onTask = options.onTask
    this.cuts = [...(options.cuts ?? [])].toSorted((a, b) => a.step - b.step)
  }

  get pending(): number {
    return this.tasks.length
  }

  get exhausted(): boolean {
    return this.steps > this.budget
  }

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    this.steps++
    const asked = this.onStep?.(fiber)
    if (asked !== undefined) this.due.push(asked)
    const cut = this.cuts[0]
    if (cut === undefined || this.steps < cut.step) return asked !== undefined || this.exhausted
    while (this.cuts[0] !== undefined && this.cuts[0].step <= this.steps) this.due.push(this.cuts.shift()!.action)
    return true
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return this.dispatcher
  }

  runTask(): boolean {
    const cut = this.due.shift()
    if (cut !== undefined) {
      cut()
      return true
    }
    if (this.tasks.length === 0) return false
    const index = this.next === undefined ? 0 : Math.floor(this.next() * this.tasks.length)
    const task = index === 0 ? this.tasks.shift()! : this.tasks.splice(index, 1)[0]!
    task()
    return true
  }
}

/**
 * Makes a scheduler.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): StepScheduler => {
  checkSteps("StepScheduler.make", options, (action) => typeof action === "function")
  return new Stepping(options)
}
