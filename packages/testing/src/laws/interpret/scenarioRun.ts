/** Runs a scenario in a simulation, and returns the outcome. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import type { Outcome } from "../Outcome.ts"
import * as Program from "../Program.ts"
import * as Scenario from "../Scenario.ts"
import type * as Simulation from "../../Simulation.ts"
import type { Subject, Work } from "../Subject.ts"
import * as World from "../World.ts"
import { perform } from "./performPlan.ts"
import * as Threads from "./threads.ts"

export class ScenarioRun {
  private world: World.World | undefined = undefined
  private main: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private readonly scenario: Scenario.Scenario
  private readonly subject: Subject
  private readonly cut: number | null

  constructor(scenario: Scenario.Scenario, cut: number | null, subject: Subject) {
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
            action: Effect.suspend(() =>
              this.world === undefined
                ? Effect.void
                : perform(this.world, planned, index, () => this.main?.interruptUnsafe(undefined))
            )
          }))
    return { cuts, seed: scenario.seed ?? undefined, budget: 20_000 + 100 * Program.chained(scenario.program) }
  }

  readonly program = (clock: World.Timer): Work =>
    Effect.flatMap(
      World.make({ subject: this.subject, clock, ledger: Scenario.isReported(this.scenario), preempts: true }),
      (world) => {
        this.world = world
        const name = "t"
        const start = Effect.uninterruptible(
          Effect.flatMap(this.subject.spawn(Threads.body(world, name, this.scenario.program), { name }), (thread) =>
            Effect.as(world.admit({ name, thread, scope: "main" }, "main"), thread)
          )
        )
        const lifetime = Effect.scoped(Effect.flatMap(start, (thread) => this.subject.await(thread)))
        const quiet = Effect.provideService(References.UnhandledLogLevel, undefined)
        return Effect.withFiber((fiber) => {
          this.main = fiber
          return Effect.onExit(quiet(lifetime), () =>
            world.noting(() => ({ _tag: "ScopeClosed", thread: "main", scope: "main", live: world.liveIn("main") }))
          )
        })
      }
    )

  outcome(run: Simulation.Run<unknown, unknown>, listeners: number): Outcome {
    const world = this.world!
    return {
      scenario: this.scenario,
      cut: this.cut,
      end: run.end._tag,
      steps: run.steps,
      events: world.events,
      threads: world.ended(),
      leftovers: {
        tasks: run.tasks,
        sleeps: run.sleeps,
        listeners,
        lock: world.isUnlocked() ? "free" : "held",
        queued: world.queued()
      },
      bystanders: [],
      isElsewhere: this.subject.isElsewhere
    }
  }
}
