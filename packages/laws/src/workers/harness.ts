/**
 * What makes a worker's runs repeatable: it counts steps, holds the worker at one of them until the host has asked what
 * it wants to ask there, and tells the host when nothing can run before time passes.
 *
 * The worker's scheduler is that of the pool; only the two functions that Effect asks it through are wrapped.
 *
 * Invariants:
 * 1. One run is under way at a time, from `begin` to the answer to `Finish`.
 * 2. While it is held, no fiber runs, except those that what the host asked has to reach.
 * 3. `Idle` is told only after a few turns of the event loop in which nothing happened, so that messages that were
 *    under way have arrived.
 */
import type { MessagePort } from "node:worker_threads"
import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
import { cell, type Cells, type ToHost, type ToWorker } from "./contract.ts"

/** Fibers that are not of the run: they are neither counted nor held. */
export const Outsider: Context.Reference<boolean> = Context.Reference("@quiesce/laws/Outsider", {
  defaultValue: () => false
})

/** A step at which the plan goes on. With `act` it is the worker itself that acts. */
export interface Cut {
  readonly step: number
  readonly index: number
  readonly unseen: boolean
  readonly act: () => (() => void) | undefined
}

/** What the harness needs to know of the run that is under way. */
export interface Current {
  readonly run: number
  readonly cuts: Array<Cut>
  readonly clock: { readonly next: number | undefined; readonly advance: () => boolean }
  readonly hasEnded: () => boolean
  /** Posts what has been noted. */
  readonly flush: () => void
  /** Says what was left. */
  readonly finish: (left: { readonly steps: number; readonly tasks: number }) => void
}

/** How many quiet turns it takes to be sure that nothing is under way. */
const quietTurns = 3

export class Harness {
  readonly port: MessagePort
  readonly cells: Cells
  private current: Current | undefined = undefined
  private raw: Scheduler.Scheduler | undefined = undefined
  private steps = 0
  /** Tasks of the scheduler that wait. */
  private pending = 0
  /** Counts all that happens. */
  private activity = 0
  private told = -1
  private watching = false
  /** What the host was asked for and has not answered. */
  private awaited = 0
  private held: Array<() => void> | undefined = undefined

  constructor(port: MessagePort, cells: Cells) {
    this.port = port
    this.cells = cells
    port.on("message", (message: ToWorker) => this.take(message))
    // The pool's port says how long the worker lives.
    port.unref()
  }

  /** The scheduler as it was, for outsiders; undefined while it still is so. */
  get outside(): Scheduler.Scheduler | undefined {
    return this.raw
  }

  /** Wraps the scheduler of this worker, once. */
  wrap(scheduler: Scheduler.Scheduler): void {
    if (this.raw !== undefined) return
    const shouldYield = scheduler.shouldYield.bind(scheduler)
    const makeDispatcher = scheduler.makeDispatcher.bind(scheduler)
    this.raw = { executionMode: scheduler.executionMode, shouldYield, makeDispatcher }
    Object.assign(scheduler, {
      shouldYield: (fiber: Fiber.Fiber<unknown, unknown>) => this.step(fiber) || shouldYield(fiber),
      makeDispatcher: (): Scheduler.SchedulerDispatcher => {
        const inner = makeDispatcher()
        return { scheduleTask: (task, priority) => this.schedule(inner, task, priority), flush: () => inner.flush() }
      }
    })
  }

  begin(current: Current): void {
    this.current = current
    this.steps = 0
    this.told = -1
    this.awaited = 0
    this.post({ _tag: "Began", run: current.run })
    this.happened()
  }

  /** The host is asked for something: all is not quiet until the result is called, the first time. */
  awaiting(): () => void {
    this.awaited++
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.awaited--
      this.happened()
    }
  }

  post(message: ToHost): void {
    this.port.postMessage(message)
  }

  /** Something happened: once all is quiet again, the host is told. */
  happened(): void {
    this.activity++
    if (this.watching || this.current === undefined) return
    this.watching = true
    this.watch(this.activity, 0)
  }

  private schedule(inner: Scheduler.SchedulerDispatcher, task: () => void, priority: number): void {
    this.pending++
    const run = (): void => {
      if (this.held !== undefined) {
        this.held.push(() => inner.scheduleTask(run, priority))
        return
      }
      this.pending--
      this.happened()
      task()
    }
    inner.scheduleTask(run, priority)
  }

  /** Whether the fiber has to yield here. */
  private step(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    const { current } = this
    if (current === undefined || fiber.getRef(Outsider)) return false
    this.steps++
    let yields = false
    while (current.cuts[0] !== undefined && current.cuts[0].step <= this.steps) {
      const cut = current.cuts.shift()!
      const act = cut.act()
      if (act === undefined) this.ask(current, cut.index)
      if (cut.unseen && act === undefined) continue
      this.hold(act)
      yields = true
    }
    return yields
  }

  /** Stops the thread until the host has asked. */
  private ask(current: Current, index: number): void {
    const { run } = current
    current.flush()
    Atomics.store(this.cells, cell.waiting, 1)
    this.post({ _tag: "Cut", run, index })
    Atomics.wait(this.cells, cell.waiting, 1)
    this.happened()
  }

  /** Runs nothing until what was asked has arrived: messages that were sent before are delivered within two turns. */
  private hold(act: (() => void) | undefined): void {
    const outer = this.held
    this.held ??= []
    if (act !== undefined) this.held.unshift(act)
    if (outer !== undefined) return
    let turns = 0
    const turn = (): void => {
      if (++turns < quietTurns) return void setImmediate(turn)
      const held = this.held!
      this.held = undefined
      for (const resume of held) resume()
      this.happened()
    }
    setImmediate(turn)
  }

  private watch(seen: number, turns: number): void {
    setImmediate(() => {
      const { current } = this
      if (current === undefined) {
        this.watching = false
        return
      }
      if (this.activity !== seen || this.pending + this.awaited > 0 || this.held !== undefined)
        return this.watch(this.activity, 0)
      if (turns < quietTurns) return this.watch(seen, turns + 1)
      this.watching = false
      if (this.told === seen) return
      this.told = seen
      current.flush()
      this.post({
        _tag: "Idle",
        run: current.run,
        activity: seen,
        next: current.clock.next ?? null,
        ended: current.hasEnded()
      })
    })
  }

  private take(message: ToWorker): void {
    const { current } = this
    if (current === undefined || message.run !== current.run) return
    switch (message._tag) {
      case "Look":
        return this.happened()
      case "Advance":
        if (message.activity === this.activity) current.clock.advance()
        return this.happened()
      case "Finish":
        this.current = undefined
        return current.finish({ steps: this.steps, tasks: this.pending })
    }
  }
}
