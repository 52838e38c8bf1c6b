/**
 * A machine of a simulated cluster: its own scheduler and its own clock, so that it can freeze and die between two steps.
 *
 * Invariant: a fiber of a machine is resumed only by the scheduler and the clock of this machine. Messages of other machines
 * are tasks of the scheduler. So a dead machine does nothing more, and a frozen one goes on where it was.
 */
import * as VirtualClock from "@quiesce/testing/VirtualClock"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import * as Scheduler from "effect/Scheduler"

export class Machine {
  readonly name: string
  readonly clock: VirtualClock.VirtualClock
  private readonly tasks: Array<() => void> = []
  private readonly context: Context.Context<never>
  state: "running" | "frozen" | "dead" = "running"

  constructor(name: string, hand: VirtualClock.Hand) {
    this.name = name
    this.clock = VirtualClock.make(hand)
    this.context = Context.make(Scheduler.Scheduler, this.scheduler).pipe(
      Context.add(Clock.Clock, this.clock as Clock.Clock),
      Context.add(References.MinimumLogLevel, "None"),
      Context.add(References.UnhandledLogLevel, undefined)
    )
  }

  private get scheduler(): Scheduler.Scheduler {
    return {
      executionMode: "async",
      shouldYield: () => false,
      makeDispatcher: () => ({ scheduleTask: (task) => this.post(task), flush: () => {} })
    }
  }

  /** Runs an effect on this machine. */
  fork<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    return Effect.runForkWith(this.context)(effect)
  }

  /** Runs later on this machine, after the earlier tasks; never, if the machine dies before. */
  post(task: () => void): void {
    if (this.state !== "dead") this.tasks.push(task)
  }

  die(): void {
    this.state = "dead"
    this.tasks.length = 0
  }

  get isBusy(): boolean {
    return this.state === "running" && this.tasks.length > 0
  }

  runTask(): void {
    this.tasks.shift()?.()
  }

  /** The end of the next sleep of a machine that runs. */
  get next(): number | undefined {
    return this.state === "running" ? this.clock.next : undefined
  }
}
