/**
 * Makes the bodies of a runner process repeatable: counts their steps, holds a body at a step until the host has made its
 * requests and they have arrived, and asks the host when nothing can happen before time passes.
 *
 * Invariants:
 * 1. The engine's own fibers are neither counted nor held, so that requests arrive.
 * 2. The process is blocked while the host answers, so that the host alone moves the time.
 */
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
import type { CancelPoint, Current } from "../workers/harness.ts"
import type { RunHarness } from "../workers/interpretation.ts"
import type { ToHost } from "../workers/messages.ts"
import * as Line from "./line.ts"
import { sequence } from "./sharedTime.ts"
import type { Traffic } from "./traffic.ts"

export class RunnerHarness implements RunHarness {
  private readonly traffic: Traffic
  private current: Current | undefined = undefined
  private steps = 0
  private held: Array<() => void> | undefined = undefined
  readonly post = Line.write
  readonly sequence = sequence

  constructor(traffic: Traffic) {
    this.traffic = traffic
  }

  /** The scheduler of the bodies. */
  readonly scheduler: Scheduler.Scheduler = {
    executionMode: "async",
    shouldYield: (fiber) => this.step(fiber),
    makeDispatcher: () => {
      const inner = this.engine.makeDispatcher()
      return { scheduleTask: (task, priority) => this.schedule(inner, task, priority), flush: () => inner.flush() }
    }
  }

  private get engine(): Scheduler.Scheduler {
    return this.traffic.scheduler
  }

  begin(current: Current): void {
    this.current = current
    this.steps = 0
    this.post({ _tag: "Began", run: current.run })
    void this.watch(current)
  }

  happened(): void {}

  private schedule(inner: Scheduler.SchedulerDispatcher, task: () => void, priority: number): void {
    const run = (): void => {
      if (this.held === undefined) task()
      else this.held.push(() => inner.scheduleTask(run, priority))
    }
    inner.scheduleTask(run, priority)
  }

  /** Whether the fiber has to yield here. */
  private step(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    const { current } = this
    if (current === undefined) return this.engine.shouldYield(fiber)
    this.steps++
    let yields = false
    while (current.cuts[0] !== undefined && current.cuts[0].step <= this.steps) {
      yields = this.cutAt(current, current.cuts.shift()!) || yields
    }
    return yields || this.engine.shouldYield(fiber)
  }

  /** Whether the body is held: until the requests have arrived, or until its own action has run. */
  private cutAt(current: Current, { act, index, unseen }: CancelPoint): boolean {
    const action = act()
    if (action !== undefined) {
      void this.hold(Promise.resolve(), action)
      return true
    }
    const { bytes } = this.ask(current, { _tag: "Cut", run: current.run, index })
    if (unseen) return false
    void this.hold(this.arrived(bytes))
    return true
  }

  private async hold(until: Promise<void>, action?: () => void): Promise<void> {
    const outer = this.held
    const held = (this.held ??= [])
    if (action !== undefined) held.unshift(action)
    if (outer !== undefined) return
    await until
    this.held = undefined
    for (const resume of held) resume()
  }

  /** Completes when the messages that the host had written have arrived, and their consequences have happened. */
  private async arrived(bytes: Parameters<Traffic["hasRead"]>[0]): Promise<void> {
    do await this.traffic.quiet()
    while (!this.traffic.hasRead(bytes))
  }

  /** Asks the host whenever nothing can happen before time passes. */
  private async watch(current: Current): Promise<void> {
    let activity = 0
    for (;;) {
      await this.traffic.quiet()
      if (this.held !== undefined) continue
      const question = {
        _tag: "Idle",
        run: current.run,
        activity: ++activity,
        next: current.clock.next ?? null,
        ended: current.hasEnded(),
        bytes: this.traffic.bytes
      } as const
      const answer = this.ask(current, question)
      if (answer._tag === "Advance") current.clock.advance()
      if (answer._tag === "Finish") break
      await this.arrived(answer.bytes)
    }
    this.current = undefined
    current.finish({ steps: this.steps, tasks: 0 })
  }

  private ask(current: Current, question: ToHost): Line.Answer {
    current.flush()
    this.post(question)
    return Line.read()
  }
}
