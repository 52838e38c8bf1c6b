/**
 * Makes a worker's runs repeatable: counts steps, holds the worker at a step until the host has made its requests, and reports
 * to the host when no task can run before time passes.
 *
 * The worker keeps the scheduler of the pool. Only the two functions that Effect calls are wrapped.
 *
 * Invariants:
 * 1. One run is under way at a time, from `begin` to the answer to `Finish`.
 * 2. While the worker is held, only fibers run that the host's requests must reach.
 * 3. `Idle` is sent only after a few quiet turns of the event loop, so that all messages have arrived.
 */
import type { MessagePort } from "node:worker_threads"
import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
import { cell, type Cells, type ToHost, type ToWorker } from "./messages.ts"

/** Fibers outside the run, which are neither counted nor held. */
export const Outsider: Context.Reference<boolean> = Context.Reference("@quiesce/laws/Outsider", {
  defaultValue: () => false
})

/** A step at which the plan continues. With `act`, the worker itself acts. */
export interface CancelPoint {
  readonly step: number
  readonly index: number
  readonly unseen: boolean
  readonly act: () => (() => void) | undefined
}

/** The current run, as far as the harness needs it. */
export interface Current {
  readonly run: number
  readonly cuts: Array<CancelPoint>
  readonly clock: { readonly next: number | undefined; readonly advance: () => boolean }
  readonly hasEnded: () => boolean
  /** Posts the recorded events. */
  readonly flush: () => void
  /** Reports the left-overs. */
  readonly finish: (left: { readonly steps: number; readonly tasks: number }) => void
}

/** The number of quiet turns after which no message is under way. */
const quietTurns = 3

export class Harness {
  readonly port: MessagePort
  readonly cells: Cells
  private current: Current | undefined = undefined
  private raw: Scheduler.Scheduler | undefined = undefined
  private steps = 0
  /** The queued tasks of the scheduler. */
  private pending = 0
  /** Counts all activity. */
  private activity = 0
  private reported = -1
  private watching = false
  /** The requests to the host without a reply. */
  private awaited = 0
  private held: Array<() => void> | undefined = undefined
  /** The number of tasks so far, and of the current task. Code outside a task counts as a task of its own. */
  private tasks = 0
  private currentTask: number | undefined = undefined

  constructor(port: MessagePort, cells: Cells) {
    this.port = port
    this.cells = cells
    port.on("message", (message: ToWorker) => this.take(message))
    // The pool's port alone keeps the worker alive.
    port.unref()
  }

  /** The original functions of the scheduler, for other fibers; undefined before the wrap. */
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
    this.reported = -1
    this.awaited = 0
    this.post({ _tag: "Began", run: current.run })
    this.happened()
  }

  /** Records a request to the host. The worker is not quiet before the first call of the result. */
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

  /** The number of an event in the order of both sides. */
  sequence(): number {
    return Atomics.add(this.cells, cell.sequence, 1)
  }

  post(message: ToHost): void {
    this.port.postMessage(message)
  }

  /** Records activity. The host gets `Idle` after the next quiet turns. */
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
      this.perform(task)
    }
    inner.scheduleTask(run, priority)
  }

  /** The number of the current task. */
  get task(): number {
    return this.currentTask ?? ++this.tasks
  }

  private perform(task: () => void): void {
    this.currentTask = ++this.tasks
    try {
      task()
    } finally {
      // An end by force skips this line. The next task then writes over the number.
      this.currentTask = undefined
    }
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

  /** Stops the thread until the host has made its requests. */
  private ask(current: Current, index: number): void {
    const { run } = current
    current.flush()
    Atomics.store(this.cells, cell.waiting, 1)
    this.post({ _tag: "Cut", run, index })
    Atomics.wait(this.cells, cell.waiting, 1)
    this.happened()
  }

  /** Runs no task until the requests have arrived: earlier messages are delivered within two turns. */
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
      if (this.reported === seen) return
      this.reported = seen
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
