/**
 * The host's side of one run: performs the plan on the thread of the task, and advances time for both sides.
 *
 * Invariants:
 * 1. Time passes only while neither side has a runnable task: the worker has reported so, and the host was idle since.
 * 2. Time stands still during operations in real time: an unwind, or the end of the worker.
 * 3. A synchronous section lasts until the host can only wait for its end.
 */
import * as Interpreter from "@quiesce/testing/laws/Interpreter"
import { isGivenUp, type Outcome } from "@quiesce/testing/laws/Outcome"
import * as Scenario from "@quiesce/testing/laws/Scenario"
import * as ThreadAdapter from "@quiesce/core/adapter"
import type { AnyThread, Subject } from "@quiesce/testing/laws/Subject"
import * as StepScheduler from "@quiesce/testing/StepScheduler"
import type { Event } from "@quiesce/testing/laws/Trace"
import * as VirtualClock from "@quiesce/testing/VirtualClock"
import * as World from "@quiesce/testing/laws/World"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import type { ToHost, ToWorker } from "./messages.ts"
import { Changes } from "./changes.ts"
import * as CleanupLog from "./cleanupLog.ts"
import { Effort } from "./effort.ts"
import { busy, type Reported } from "./reportedState.ts"
import { type Numbered, upTo } from "./merge.ts"
import { RunBudget } from "./runBudget.ts"
import type { RunHost } from "./runHost.ts"
import * as RunOutcome from "./runOutcome.ts"
import { waking } from "./wakingScheduler.ts"
import * as WaitingThread from "./waitingThread.ts"
import type { EncodedEvent } from "./wire.ts"

/** The number of checks before a deadlock is reported, and the milliseconds between checks. */
const patience = 50
const pause = 10

/** The milliseconds without a message after which a run counts as hanging. No operation takes that long. */
const silence = 30_000

export class HostRun {
  readonly run: number
  private readonly scenario: Scenario.Scenario
  private readonly cut: number | null
  private readonly host: RunHost
  private readonly clock: VirtualClock.VirtualClock
  private readonly steps = StepScheduler.make()
  private readonly context: Context.Context<never>
  private readonly events: Array<Numbered> = []
  private readonly fromWorker: Array<EncodedEvent> = []
  private world: World.World | undefined = undefined
  private main: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private worker: Reported = busy
  private isDone = false
  private readonly budget = new RunBudget()
  /** The numbers of the end of the host's program, and of the last report of the same moment. */
  private endedAt = Infinity
  private doneAt = Infinity
  /** Whether the host was active since its last request for `Idle`. */
  private isDirty = true
  private readonly effort: Effort
  private readonly changes = new Changes()

  constructor(run: number, scenario: Scenario.Scenario, cut: number | null, host: RunHost) {
    this.run = run
    this.scenario = scenario
    this.cut = cut
    this.host = host
    this.effort = new Effort({
      spinning: () => (this.worker._tag === "Spinning" ? this.worker.spin : undefined),
      isThorough: host.thorough,
      killEndsWorker: host.killEndsWorker,
      unwound: (spin) => {
        if (this.worker._tag === "Spinning" && this.worker.spin === spin) this.worker = busy
      },
      changed: this.changes.wake
    })
    if (host.place !== undefined) this.worker = { _tag: "Queued" }
    host.hand.now = 0
    this.clock = VirtualClock.make(host.hand)
    this.context = Context.make(Scheduler.Scheduler, waking(this.steps, this.changes.wake)).pipe(
      Context.add(Clock.Clock, this.clock as Clock.Clock),
      Context.merge(CleanupLog.loggers(() => this.noteLogged()))
    )
  }

  /** Records a logged failure. */
  readonly noteLogged = (): void => this.world?.note({ _tag: "Logged", thread: "t" })

  // ---- From the worker ----

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
        this.worker = { _tag: "Finished", message }
        break
    }
    this.changes.wake()
  }

  gone(): void {
    this.effort.isDying = false
    this.worker = { _tag: "Gone" }
    this.changes.wake()
  }

  // ---- Actions ----

  async outcome(): Promise<Outcome> {
    this.main = this.fork(this.program(), () => {
      this.isDone = true
      this.endedAt = this.host.sequence()
      this.changes.wake()
    })
    let looks = 0
    let end: Outcome["end"] = "Done"
    for (;;) {
      await this.settle()
      if (this.isDone && this.doneAt === Infinity) this.doneAt = this.host.sequence()
      if (this.isOver) break
      if (this.budget.spend(() => this.state)) {
        end = "Endless"
        break
      }
      const next = this.next()
      if (next === "wait" && !(await this.changes.next(silence))) {
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
    return this.outcomeOf(end)
  }

  private get isOver(): boolean {
    const { _tag } = this.worker
    return _tag === "Finished" || (this.isDone && (_tag === "Gone" || (_tag === "Queued" && !this.effort.isUnderWay)))
  }

  /** Runs all runnable tasks of the host, until all messages to the host have arrived. */
  private async settle(): Promise<void> {
    do {
      this.drain()
      await this.host.quiet()
    } while (this.steps.pending > 0 && !this.budget.isLate)
  }

  private get state(): Readonly<Record<string, unknown>> {
    const { effort, isDirty, isDone, run, steps, worker } = this
    return { run, worker: worker._tag, pending: steps.pending, underWay: effort.isUnderWay, isDirty, isDone }
  }

  private drain(): void {
    while (this.steps.runTask()) this.isDirty = true
  }

  /** The patience with a busy machine. */
  private async lookAgain(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, pause))
    if (this.worker._tag === "Idle") this.post({ _tag: "Look", run: this.run })
  }

  private next(): "wait" | "go" | "stuck" {
    const { worker } = this
    switch (worker._tag) {
      case "Busy":
      case "Gone":
      case "Finished":
        return "wait"
      case "Queued":
        return this.whileQueued()
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
    this.perform(index)
    this.drain()
    this.host.resume()
  }

  private perform(index: number): void {
    if (this.world === undefined) return
    const planned = this.scenario.plan[index]!
    this.fork(Interpreter.perform(this.world, planned, index, () => this.main?.interruptUnsafe(undefined)))
  }

  private whileQueued(): "wait" | "stuck" | "go" {
    if (this.effort.isUnderWay) return "wait"
    if (this.clock.next === undefined) return "stuck"
    this.advance()
    return "go"
  }

  /** The first thread may end before it has its place. */
  private place(thread: AnyThread, place: () => Promise<unknown>): void {
    const freed = Effect.sync(() => {
      const isAlive = ThreadAdapter.controlsOf(thread).poll() === undefined
      if (isAlive && this.worker._tag === "Queued") this.worker = busy
    })
    WaitingThread.place(thread, {
      scenario: this.scenario,
      cut: this.cut,
      note: (happening) => this.world?.note(happening),
      fork: (effect) => void this.fork(effect),
      perform: (index) => this.perform(index),
      free: this.effort.during(Effect.andThen(Effect.promise(place), freed))
    })
  }

  private whileSpinning(worker: Extract<Reported, { readonly _tag: "Spinning" }>): "wait" | "go" {
    const thread = this.world?.threads.get("t")?.thread
    if (this.effort.isUnderWay) return "wait"
    // The adapter ends the section by itself.
    if (worker.ends && thread?.signal.aborted === true) {
      this.worker = busy
      return "wait"
    }
    if (!this.isDone && this.advance()) return "go"
    this.worker = busy
    this.host.endSection(worker.spin)
    return "wait"
  }

  private whileIdle(worker: Extract<Reported, { readonly _tag: "Idle" }>): "wait" | "stuck" | "go" {
    if (this.effort.isUnderWay) return "wait"
    if (this.isDirty || !this.host.hasArrived(worker)) return this.post({ _tag: "Look", run: this.run })
    // The end of a call is on its way to its caller.
    if (!this.isDone && worker.ended && this.host.isCall) return "stuck"
    if (this.isDone && (worker.ended || this.runsOn)) return this.post({ _tag: "Finish", run: this.run })
    const here = this.isDone ? undefined : this.clock.next
    if (here === undefined && worker.next === null) return "stuck"
    if (here !== undefined && (worker.next === null || here <= worker.next)) {
      this.advance()
      return "go"
    }
    return this.post({ _tag: "Advance", run: this.run, activity: worker.activity })
  }

  /**
   * Whether the thread was killed or abandoned. On a live worker such a thread may continue. Nothing waits for the
   * thread, and its trace ends with the end of the host's own program.
   */
  private get runsOn(): boolean {
    return !this.host.killEndsWorker && isGivenUp(this.world?.ended().get("t")?.exit)
  }

  /** A woken sleeper resumes at once, and may make requests to the worker. */
  private advance(): boolean {
    this.isDirty = true
    return this.clock.advance()
  }

  private post(message: ToWorker): "wait" {
    this.worker = busy
    this.isDirty = false
    this.host.post(message)
    return "wait"
  }

  private fork(effect: Effect.Effect<unknown, unknown>, done: () => void = () => {}): Fiber.Fiber<unknown, unknown> {
    const fiber = Effect.runForkWith(this.context)(effect)
    fiber.addObserver(done)
    return fiber
  }

  private program(): Effect.Effect<unknown, unknown> {
    const { sequence, spawn } = this.host
    const subject: Subject = { ...this.host.subject, spawn: (_, options) => this.spawned(spawn(options)) }
    const onEvent = (event: Event): void => {
      this.events.push({ sequence: sequence(), event })
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

  private spawned(spawning: ReturnType<RunHost["spawn"]>): ReturnType<RunHost["spawn"]> {
    const { isCall, place } = this.host
    // A thread of the host has the controls of a fiber.
    if (isCall) return spawning
    return Effect.tap(this.effort.watch(spawning), (thread) =>
      Effect.sync(() => (place === undefined ? undefined : this.place(thread, place)))
    )
  }

  /** Records the events of a lease that the host keeps. */
  noteKept(event: Parameters<World.World["note"]>[0]): void {
    this.world?.note(event)
  }

  private async outcomeOf(end: Outcome["end"]): Promise<Outcome> {
    const { cut, runsOn, scenario, worker } = this
    const finished = worker._tag === "Finished" ? worker.message : undefined
    const [until, untilHere] = runsOn ? [this.endedAt, this.doneAt] : [Infinity, Infinity]
    return RunOutcome.of({
      scenario,
      cut,
      end: this.isDone ? "Done" : end,
      threads: this.world!.ended(),
      finished,
      lock: finished?.lock ?? (await this.host.lock()),
      runsOn,
      here: upTo(this.events, untilHere),
      there: upTo(this.fromWorker, until)
    })
  }
}
