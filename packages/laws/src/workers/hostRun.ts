/**
 * The host's side of one run: does what the plan says to the thread of the task, and makes time pass for both sides.
 *
 * Invariants:
 * 1. Time passes only while neither side has anything to run: the worker has said so, and nothing was done here since.
 * 2. It does not pass while something is under way that takes real time: an unwind, or the end of the worker.
 * 3. A synchronous section lasts until the host has nothing left to do but to wait for it.
 */
import * as Interpreter from "@quiesce/testing/laws/Interpreter"
import type { Outcome } from "@quiesce/testing/laws/Outcome"
import * as Scenario from "@quiesce/testing/laws/Scenario"
import * as StepScheduler from "@quiesce/testing/StepScheduler"
import { core, type Subject } from "@quiesce/testing/laws/Subject"
import type { Event } from "@quiesce/testing/laws/Trace"
import * as VirtualClock from "@quiesce/testing/VirtualClock"
import * as World from "@quiesce/testing/laws/World"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import { cell, type Cells, type ToHost, type ToWorker } from "./contract.ts"
import { Effort } from "./effort.ts"
import { merge, type Numbered } from "./merge.ts"
import { quiet } from "./quiet.ts"
import { handOf } from "./runClock.ts"
import { Decoder, type EncodedEvent } from "./wire.ts"

/** What the worker was last heard to do. */
type Worker =
  | { readonly _tag: "Busy" }
  | { readonly _tag: "Idle"; readonly activity: number; readonly next: number | null; readonly ended: boolean }
  | { readonly _tag: "Asking"; readonly index: number }
  | { readonly _tag: "Spinning"; readonly spin: number; readonly ends: boolean }
  | { readonly _tag: "Finished"; readonly told: Extract<ToHost, { readonly _tag: "Finished" }> }
  | { readonly _tag: "Gone" }

/** What a run needs of its test worker. */
export interface Place {
  readonly cells: Cells
  readonly post: (message: ToWorker) => void
  /** Starts the task. */
  readonly spawn: (options: Parameters<Subject["spawn"]>[1]) => ReturnType<Subject["spawn"]>
  /** Whether the engine is asked to look for synchronous code even where none runs. */
  readonly thorough: boolean
  /** The state of the lock when all has ended. */
  readonly lock: () => Promise<"free" | "held" | "ownerDied">
}

const busy: Worker = { _tag: "Busy" }

/** How often it is looked again where nothing can happen any more, and the milliseconds in between. */
const patience = 50
const pause = 10

/** After so many milliseconds without a word something hangs. Nothing that is to be waited for takes that long. */
const silence = 30_000

/** After so many turns a run counts as endless. */
const budget = 5_000

export class HostRun {
  readonly run: number
  private readonly scenario: Scenario.Scenario
  private readonly cut: number | null
  private readonly place: Place
  private readonly clock: VirtualClock.VirtualClock
  private readonly steps = StepScheduler.make()
  private readonly context: Context.Context<never>
  private readonly events: Array<Numbered> = []
  private readonly fromWorker: Array<EncodedEvent> = []
  private world: World.World | undefined = undefined
  private main: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private worker: Worker = busy
  private isDone = false
  /** Whether anything was done here since the worker was last asked to look. */
  private isDirty = true
  private readonly effort: Effort
  private wake: () => void = () => {}

  constructor(run: number, scenario: Scenario.Scenario, cut: number | null, place: Place) {
    this.run = run
    this.scenario = scenario
    this.cut = cut
    this.place = place
    this.effort = new Effort({
      isSpinning: () => this.worker._tag === "Spinning",
      isThorough: place.thorough,
      unwound: () => {
        if (this.worker._tag === "Spinning") this.worker = busy
      },
      changed: () => this.wake()
    })
    const { cells } = place
    Atomics.store(cells, cell.now, 0)
    Atomics.store(cells, cell.gate, 0)
    this.clock = VirtualClock.make(handOf(cells))
    this.context = Context.make(Scheduler.Scheduler, this.scheduler()).pipe(
      Context.add(Clock.Clock, this.clock as Clock.Clock)
    )
  }

  private scheduler(): Scheduler.Scheduler {
    const { steps } = this
    return {
      executionMode: "async",
      shouldYield: (fiber) => steps.shouldYield(fiber),
      makeDispatcher: () => {
        const inner = steps.makeDispatcher()
        return {
          scheduleTask: (task, priority) => {
            inner.scheduleTask(task, priority)
            this.wake()
          },
          flush: () => inner.flush()
        }
      }
    }
  }

  // ---- What it hears ----

  take(message: ToHost): void {
    if (message.run !== this.run || this.worker._tag === "Gone") return
    switch (message._tag) {
      case "Began":
        this.worker = busy
        break
      case "Trace":
        this.fromWorker.push(...message.events)
        return
      case "Idle":
        this.worker = message
        break
      case "Cut":
        this.worker = { _tag: "Asking", index: message.index }
        break
      case "Spinning":
        this.worker = message
        break
      case "Finished":
        this.worker = { _tag: "Finished", told: message }
        break
    }
    this.wake()
  }

  gone(): void {
    this.effort.isDying = false
    this.worker = { _tag: "Gone" }
    this.wake()
  }

  // ---- What it does ----

  async outcome(): Promise<Outcome> {
    this.main = this.fork(this.program(), () => {
      this.isDone = true
      this.wake()
    })
    let turns = 0
    let looks = 0
    let end: Outcome["end"] = "Done"
    for (;;) {
      await this.settle()
      if (this.worker._tag === "Finished" || (this.worker._tag === "Gone" && this.isDone)) break
      if (++turns > budget) {
        end = "Endless"
        break
      }
      const next = this.next()
      if (next === "wait" && !(await this.change())) {
        end = "Deadlock"
        break
      }
      if (next === "stuck" && ++looks > patience) {
        end = "Deadlock"
        break
      }
      if (next === "stuck") await this.lookAgain()
      else if (next === "go") looks = 0
    }
    return this.told(end)
  }

  /** Runs all that can run here, until what was sent to here has arrived. */
  private async settle(): Promise<void> {
    do {
      this.drain()
      await quiet()
    } while (this.steps.pending > 0)
  }

  private drain(): void {
    while (this.steps.runTask()) this.isDirty = true
  }

  /** On a busy machine even what needs no time may take long. */
  private async lookAgain(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, pause))
    if (this.worker._tag === "Idle") this.post({ _tag: "Look", run: this.run })
  }

  /** Completes when anything is heard, or scheduled; false when that takes so long that it won't be. */
  private change(): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (changed: boolean): void => {
        this.wake = () => {}
        clearTimeout(timer)
        resolve(changed)
      }
      const timer = setTimeout(() => done(false), silence)
      this.wake = () => done(true)
    })
  }

  private next(): "wait" | "go" | "stuck" {
    const { worker } = this
    switch (worker._tag) {
      case "Busy":
      case "Gone":
      case "Finished":
        return "wait"
      case "Asking":
        this.ask(worker.index)
        return "go"
      case "Spinning":
        return this.whileSpinning(worker)
      case "Idle":
        return this.whileIdle(worker)
    }
  }

  private ask(index: number): void {
    this.worker = busy
    const planned = this.scenario.plan[index]!
    if (this.world !== undefined) {
      this.fork(Interpreter.perform(this.world, planned, index, () => this.main?.interruptUnsafe(undefined)))
      this.drain()
    }
    // What was put into a batch is sent at the end of this turn.
    setImmediate(() => {
      Atomics.store(this.place.cells, cell.waiting, 0)
      Atomics.notify(this.place.cells, cell.waiting)
    })
  }

  private whileSpinning(worker: Extract<Worker, { readonly _tag: "Spinning" }>): "wait" | "go" {
    const thread = this.world?.threads.get("t")?.thread
    if (this.effort.isUnderWay) return "wait"
    // The adapter ends it by itself.
    if (worker.ends && thread?.signal.aborted === true) {
      this.worker = busy
      return "wait"
    }
    if (!this.isDone && this.advance()) return "go"
    this.worker = busy
    Atomics.store(this.place.cells, cell.gate, worker.spin)
    return "wait"
  }

  private whileIdle(worker: Extract<Worker, { readonly _tag: "Idle" }>): "wait" | "stuck" | "go" {
    if (this.effort.isUnderWay) return "wait"
    if (this.isDirty) return this.post({ _tag: "Look", run: this.run })
    if (this.isDone && worker.ended) return this.post({ _tag: "Finish", run: this.run })
    const here = this.isDone ? undefined : this.clock.next
    if (here === undefined && worker.next === null) return "stuck"
    if (here !== undefined && (worker.next === null || here <= worker.next)) {
      this.advance()
      return "go"
    }
    return this.post({ _tag: "Advance", run: this.run, activity: worker.activity })
  }

  /** Who slept goes on right away, and may ask the worker for something. */
  private advance(): boolean {
    this.isDirty = true
    return this.clock.advance()
  }

  private post(message: ToWorker): "wait" {
    this.worker = busy
    this.isDirty = false
    this.place.post(message)
    return "wait"
  }

  private fork(effect: Effect.Effect<unknown, unknown>, done: () => void = () => {}): Fiber.Fiber<unknown, unknown> {
    const fiber = Effect.runForkWith(this.context)(effect)
    fiber.addObserver(done)
    return fiber
  }

  private program(): Effect.Effect<unknown, unknown> {
    const subject: Subject = { ...core, spawn: (_, options) => this.effort.watch(this.place.spawn(options)) }
    const { cells } = this.place
    const onEvent = (event: Event): void => {
      this.events.push({ sequence: Atomics.add(cells, cell.sequence, 1), event })
    }
    const ledger = Scenario.isReported(this.scenario)
    return Effect.flatMap(World.make({ subject, clock: this.clock, onEvent, ledger, firstId: 1_000_000 }), (world) => {
      this.world = world
      const start = Effect.uninterruptible(
        Effect.flatMap(subject.spawn(Effect.void, { name: "t" }), (thread) =>
          Effect.as(world.admit({ name: "t", thread, scope: "main" }, "main"), thread)
        )
      )
      return Effect.onExit(Effect.scoped(Effect.flatMap(start, (thread) => subject.await(thread))), () =>
        world.noting(() => ({ _tag: "ScopeClosed", thread: "main", scope: "main", live: world.liveIn("main") }))
      )
    })
  }

  /** Notes what happens to a lease that this side keeps. */
  noteKept(event: Parameters<World.World["note"]>[0]): void {
    this.world?.note(event)
  }

  private async told(end: Outcome["end"]): Promise<Outcome> {
    const { cut, scenario, worker } = this
    const world = this.world!
    const decoder = new Decoder()
    for (const { reason } of world.ended().values()) if (reason !== undefined) decoder.know(reason)
    const finished = worker._tag === "Finished" ? worker.told : undefined
    const lock = await this.place.lock()
    const { events, threads } = merge(
      this.events,
      this.fromWorker.map((encoded) => ({ sequence: encoded.sequence, event: decoder.event(encoded) })),
      world.ended(),
      (finished?.threads ?? []).map((encoded) => decoder.ended(encoded)),
      finished?.orphans ?? []
    )
    return {
      scenario,
      cut,
      end: this.isDone ? "Done" : end,
      steps: finished?.steps ?? 0,
      events,
      threads,
      leftovers:
        finished === undefined
          ? undefined
          : {
              tasks: finished.tasks,
              sleeps: finished.sleeps,
              listeners: finished.listeners,
              queued: finished.queued,
              lock
            },
      witnesses: []
    }
  }
}
