/**
 * Runs an effect step by step in virtual time, the same way each time. Only `runAsync` waits for real events: one turn of
 * the event loop passes whenever no task can run.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Scheduler from "effect/Scheduler"
import { checkSteps, gotText } from "./internal/wording.ts"
import * as StepScheduler from "./StepScheduler.ts"
import * as VirtualClock from "./VirtualClock.ts"

/**
 * The end of a run: an exit, a `Deadlock` without a runnable task and without a sleep, or `Endless` after the budget of
 * steps.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type End<A, E> =
  | { readonly _tag: "Done"; readonly exit: Exit.Exit<A, E> }
  | { readonly _tag: "Deadlock" }
  | { readonly _tag: "Endless" }

/**
 * A run. `tasks` and `sleeps` are the queued tasks and pending sleeps at its end.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Run<A, E> {
  readonly end: End<A, E>
  readonly steps: number
  readonly millis: number
  readonly tasks: number
  readonly sleeps: number
}

/**
 * The step and its effect, which runs beside the program in a fiber of its own.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface StepAction {
  readonly step: number
  readonly action: Effect.Effect<unknown, unknown>
}

/**
 * The options of `StepScheduler`, with effects as the actions of cuts.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly seed?: number | undefined
  readonly budget?: number | undefined
  readonly cuts?: ReadonlyArray<StepAction> | undefined
}

class World<A, E> {
  readonly clock: VirtualClock.VirtualClock = VirtualClock.make()
  readonly scheduler: StepScheduler.StepScheduler
  private exit: Exit.Exit<A, E> | undefined = undefined

  constructor(of: string, effect: (clock: VirtualClock.VirtualClock) => Effect.Effect<A, E>, options: Options) {
    if (typeof effect !== "function") throw new TypeError(gotText(of, effect, "a function such as (clock) => effect"))
    checkSteps(of, options, Effect.isEffect)
    const cuts = options.cuts?.map(({ step, action }) => ({ step, action: () => this.fork(action) }))
    this.scheduler = StepScheduler.make({ seed: options.seed, budget: options.budget, cuts })
    this.fork(effect(this.clock), (exit) => {
      this.exit = exit
    })
  }

  private fork<A2, E2>(effect: Effect.Effect<A2, E2>, done: (exit: Exit.Exit<A2, E2>) => void = () => {}): void {
    const context = Context.add(
      Context.make(Scheduler.Scheduler, this.scheduler as Scheduler.Scheduler),
      Clock.Clock,
      this.clock as Clock.Clock
    )
    Effect.runForkWith(context)(effect).addObserver(done)
  }

  /** Runs all runnable tasks. */
  drain(): void {
    while (!this.scheduler.exhausted && this.scheduler.runTask());
  }

  get isDone(): boolean {
    return this.exit !== undefined
  }

  /** Whether a sleep is pending. */
  get isOpen(): boolean {
    return this.exit === undefined && !this.scheduler.exhausted
  }

  result(): Run<A, E> {
    const { clock, exit, scheduler } = this
    return {
      end:
        exit !== undefined ? { _tag: "Done", exit } : scheduler.exhausted ? { _tag: "Endless" } : { _tag: "Deadlock" },
      steps: scheduler.steps,
      millis: clock.currentTimeMillisUnsafe(),
      tasks: scheduler.pending,
      sleeps: clock.pending
    }
  }
}

/**
 * Runs an effect to its end, at once.
 *
 * @stability unstable
 * @category runners
 * @since 0.1.0
 */
export const run = <A, E>(
  effect: (clock: VirtualClock.VirtualClock) => Effect.Effect<A, E>,
  options: Options = {}
): Run<A, E> => {
  const world = new World("Simulation.run", effect, options)
  world.drain()
  while (world.isOpen && world.clock.advance()) world.drain()
  return world.result()
}

/**
 * Runs an effect with real promises. If no task can run, one turn of the event loop passes first, and then virtual time.
 *
 * @stability unstable
 * @category runners
 * @since 0.1.0
 */
export const runAsync = async <A, E>(
  effect: (clock: VirtualClock.VirtualClock) => Effect.Effect<A, E>,
  options: Options = {}
): Promise<Run<A, E>> => {
  const world = new World("Simulation.runAsync", effect, options)
  do {
    do {
      world.drain()
      // Each turn depends on the turn before.
      await new Promise((resolve) => setImmediate(resolve))
    } while (world.scheduler.pending > 0 && !world.scheduler.exhausted)
  } while (world.isOpen && world.clock.advance())
  return world.result()
}
