/**
 * A program and what others do to it while it runs, as data; and the search that does it at every step.
 *
 * @since 0.1.0
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { shutdown } from "./internal/children.ts"
import { asking, type Known, raise, statusOf, World } from "./internal/world.ts"
import * as Interpreter from "./Interpreter.ts"
import * as LeakCheck from "./LeakCheck.ts"
import type { Climb, Program } from "./Program.ts"
import * as Simulation from "./Simulation.ts"
import { random } from "./StepScheduler.ts"
import { core, type Subject, type Work } from "./Subject.ts"
import type { Event } from "./Trace.ts"

/**
 * What is done to a thread from outside. `Close` ends the scope that the first thread lives in.
 *
 * @category models
 * @since 0.1.0
 */
export type Action =
  | { readonly _tag: "Interrupt"; readonly wait: boolean }
  | { readonly _tag: "Stop" }
  | { readonly _tag: "Raise"; readonly error: "A" | "B" }
  | { readonly _tag: "Shutdown"; readonly climb: Climb }
  | { readonly _tag: "JoinWithin"; readonly millis: number }
  | { readonly _tag: "Await" }
  | { readonly _tag: "Close" }

/**
 * An action, the thread that it is done to (counted in the order of spawning, modulo their number), and how many steps
 * after the cut it is done.
 *
 * @category models
 * @since 0.1.0
 */
export interface Planned {
  readonly action: Action
  readonly target: number
  readonly after: number
  /** Then it waits for some milliseconds, so that it also falls into stretches in which nothing runs. */
  readonly delay?: number | undefined
}

/**
 * A scenario. Tasks run first in, first out where `seed` is null.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scenario {
  readonly program: Program
  readonly plan: ReadonlyArray<Planned>
  readonly seed: number | null
}

/**
 * What came of one run. `cut` is the step at which the plan began, null when it was not begun.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome {
  readonly scenario: Scenario
  readonly cut: number | null
  readonly run: Simulation.Run<unknown, unknown>
  readonly events: ReadonlyArray<Event>
  readonly threads: ReadonlyMap<string, Known>
  /** What is in the queue at the end. */
  readonly queued: ReadonlyArray<number>
  /** Whether the lock is free at the end. */
  readonly unlocked: boolean
  /** How many listeners were left on AbortSignals. */
  readonly listeners: number
}

class Stage {
  private world: World | undefined = undefined
  private main: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private readonly scenario: Scenario
  private readonly subject: Subject
  private readonly cut: number | null

  constructor(scenario: Scenario, cut: number | null, subject: Subject) {
    this.scenario = scenario
    this.subject = subject
    this.cut = cut
  }

  get options(): Simulation.Options {
    const { cut, scenario } = this
    const cuts =
      cut === null
        ? []
        : scenario.plan.map((planned, index) => ({
            step: cut + planned.after,
            action:
              planned.delay === undefined
                ? this.perform(planned, index)
                : Effect.delay(this.perform(planned, index), planned.delay)
          }))
    return { cuts, seed: scenario.seed ?? undefined }
  }

  readonly program = (clock: ConstructorParameters<typeof World>[1]): Work =>
    Effect.flatMap(Queue.bounded<number>(1), (queue) => {
      const world = (this.world = new World(this.subject, clock, queue))
      const name = "t"
      const start = Effect.uninterruptible(
        Effect.flatMap(this.subject.spawn(Interpreter.body(world, name, this.scenario.program), { name }), (thread) =>
          Effect.as(world.admit({ name, thread, scope: "main" }, "main"), thread)
        )
      )
      const lifetime = Effect.scoped(Effect.flatMap(start, (thread) => this.subject.await(thread)))
      return Effect.withFiber((fiber) => {
        this.main = fiber
        return Effect.onExit(lifetime, () =>
          world.noting(() => ({ _tag: "ScopeClosed", thread: "main", scope: "main", live: world.liveIn("main") }))
        )
      })
    })

  private perform({ action, target }: Planned, index: number): Work {
    return Effect.suspend(() => {
      const { world } = this
      const known =
        world === undefined ? undefined : [...world.threads.values()][target % Math.max(1, world.threads.size)]
      return world === undefined || known === undefined ? Effect.void : this.act(world, known, action, `plan ${index}`)
    })
  }

  private act(world: World, known: Known, action: Action, message: string): Work {
    const { thread } = known
    switch (action._tag) {
      case "Interrupt":
        return asking(world, known, action.wait ? "interrupt" : "interruptFork", message, () =>
          (action.wait ? world.subject.interrupt : world.subject.interruptFork)(
            thread,
            CancelReason.interrupted(message)
          )
        )
      case "Stop":
        return asking(world, known, "stop", message, () => world.subject.stop(thread, CancelReason.stopped(message)))
      case "Raise":
        return raise(world, message, known, action.error)
      case "Shutdown":
        return shutdown(world, known, action.climb, message)
      case "JoinWithin":
        return timedJoin(world, known, action.millis)
      case "Await":
        return Effect.flatMap(world.subject.await(thread), (exit) =>
          world.noting(() => ({ _tag: "Joined", thread: "plan", target: known.name, exit, timed: false }))
        )
      case "Close":
        return Effect.sync(() => this.main?.interruptUnsafe(undefined))
    }
  }

  outcome(run: Simulation.Run<unknown, unknown>, listeners: number): Outcome {
    const world = this.world!
    return {
      scenario: this.scenario,
      cut: this.cut,
      run,
      events: world.events,
      threads: world.threads,
      queued: Queue.sizeUnsafe(world.queue) === 0 ? [] : Effect.runSync(Queue.takeAll(world.queue)),
      listeners,
      unlocked: Effect.runSync(Effect.map(world.semaphore.withPermitsIfAvailable(1)(Effect.void), Option.isSome))
    }
  }
}

/** Joins with a limit; notes if that alone has changed the thread. */
const timedJoin = (world: World, known: Known, millis: number): Work =>
  Effect.gen(function* () {
    const before = known.thread.reason
    const asked = world.events.length
    yield* Effect.exit(world.subject.joinWithin(known.thread, millis))
    const others = world.events
      .slice(asked)
      .some((event) => event._tag === "Asked" || event._tag === "BodyEnded" || event._tag === "Settled")
    const status = yield* statusOf(known)
    // A parent that ended asks its children, join or no join.
    const own = known.thread.reason?._tag !== "ParentEnded" && known.thread.reason?._tag !== "SiblingFailed"
    if (own && !others && known.thread.reason !== before && status !== "Done") {
      world.note({ _tag: "JoinChanged", thread: "plan", target: known.name })
    }
  })

/**
 * Runs a scenario with its plan begun at a step, or with no plan.
 *
 * @category runners
 * @since 0.1.0
 */
export const run = (scenario: Scenario, cut: number | null, subject: Subject = core): Outcome => {
  const stage = new Stage(scenario, cut, subject)
  const watch = LeakCheck.watch()
  try {
    const run = Simulation.run(stage.program, stage.options)
    return stage.outcome(run, watch.listeners())
  } finally {
    watch.end()
  }
}

/**
 * As `run`, for programs with real promises.
 *
 * @category runners
 * @since 0.1.0
 */
export const runAsync = async (scenario: Scenario, cut: number | null, subject: Subject = core): Promise<Outcome> => {
  const stage = new Stage(scenario, cut, subject)
  return stage.outcome(await Simulation.runAsync(stage.program, stage.options), 0)
}

/**
 * The steps at which to cut a program of `steps` steps: all of them, or a seeded sample of `most`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const cutsOf = (steps: number, most: number, seed: number): ReadonlyArray<number> => {
  if (steps <= most) return Array.from({ length: steps }, (_, index) => index + 1)
  const next = random(seed)
  const stride = steps / most
  return Array.from({ length: most }, (_, index) => 1 + Math.floor(index * stride + next() * stride))
}

/**
 * Runs a scenario uncut and cut at each of its steps, at most at `most` of them.
 *
 * @category runners
 * @since 0.1.0
 */
export const explore = function* (scenario: Scenario, most: number, subject: Subject = core): Generator<Outcome> {
  const whole = run(scenario, null, subject)
  yield whole
  for (const cut of cutsOf(whole.run.steps, most, whole.run.steps)) yield run(scenario, cut, subject)
}
