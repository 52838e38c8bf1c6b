/**
 * The host's side of one run: performs the plan on the thread of a process, and moves the time of both sides.
 *
 * Invariants:
 * 1. Time passes only while the process waits for an answer, and the host has no runnable task.
 * 2. Time stands still while the process starts, is killed or ends, which takes real time.
 */
import { fileURLToPath } from "node:url"
import * as ThreadAdapter from "@quiesce/core/adapter"
import * as Escalation from "@quiesce/core/Escalation"
import { ProcessThread } from "@quiesce/process"
import * as Interpreter from "@quiesce/testing/laws/Interpreter"
import { isAbandoned, type Outcome } from "@quiesce/testing/laws/Outcome"
import * as Scenario from "@quiesce/testing/laws/Scenario"
import { core, type Subject } from "@quiesce/testing/laws/Subject"
import * as World from "@quiesce/testing/laws/World"
import * as StepScheduler from "@quiesce/testing/StepScheduler"
import type { Event } from "@quiesce/testing/laws/Trace"
import * as VirtualClock from "@quiesce/testing/VirtualClock"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Scheduler from "effect/Scheduler"
import * as Stream from "effect/Stream"
import type { PlainFault } from "../plain/plainContract.ts"
import { quiet } from "../workers/quiet.ts"
import { RunBudget } from "../workers/runBudget.ts"
import { Changes } from "../workers/changes.ts"
import { waking } from "../workers/wakingScheduler.ts"
import { Decoder, type EncodedEvent } from "../workers/wire.ts"
import type { FromProcess, Given, Question } from "./messages.ts"
import { Requests } from "./requests.ts"

const program = fileURLToPath(new URL("./program.ts", import.meta.url))

export interface Options {
  readonly spawner: ChildProcessSpawner["Service"]
  readonly subject: Partial<Subject>
  readonly fault: PlainFault | undefined
}

type Child =
  /** Starts, runs, or exits. */
  { readonly _tag: "Busy" } | { readonly _tag: "Asking"; readonly question: Question } | { readonly _tag: "Gone" }

/** The milliseconds of real time without a change after which a run counts as hanging. */
const silence = 60_000

export class ProcessRun {
  private readonly scenario: Scenario.Scenario
  private readonly cut: number | null
  private readonly options: Options
  private readonly hand: VirtualClock.Hand = { now: 0 }
  private readonly clock = VirtualClock.make(this.hand)
  private readonly steps = StepScheduler.make()
  private readonly context: Context.Context<never>
  private readonly events: Array<Event | EncodedEvent> = []
  private readonly answers = Effect.runSync(Queue.unbounded<Uint8Array>())
  private readonly changes = new Changes()
  private readonly budget = new RunBudget()
  private readonly requests = new Requests(this.changes.wake)
  /** The indices of the plan that are not performed yet, in order. */
  private readonly plan: Array<number>
  private child: Child = { _tag: "Busy" }
  private finished: Extract<Question, { readonly _tag: "Finished" }> | undefined = undefined
  private world: World.World | undefined = undefined
  private main: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private isDone = false
  private acting = 0

  constructor(scenario: Scenario.Scenario, cut: number | null, options: Options) {
    this.scenario = scenario
    this.cut = cut
    this.options = options
    this.plan = cut === null ? [] : scenario.plan.map((_, index) => index)
    const scheduler = waking(this.steps, this.changes.wake)
    this.context = Context.make(Scheduler.Scheduler, scheduler).pipe(
      Context.add(Clock.Clock, this.clock as Clock.Clock)
    )
  }

  async outcome(): Promise<Outcome> {
    this.main = this.fork(this.program(), () => {
      this.isDone = true
    })
    let end: Outcome["end"] = "Done"
    for (;;) {
      await this.settle()
      if (this.isDone && this.acting === 0 && this.plan.length === 0) break
      if (this.budget.spend(() => this.state)) end = "Endless"
      const next = end === "Endless" ? "stuck" : this.next()
      if (next === "stuck" || (next === "wait" && !(await this.changes.next(silence)))) {
        if (end === "Done") end = "Deadlock"
        break
      }
    }
    if (!this.isDone) await this.abort()
    await this.endAbandoned()
    return this.outcomeOf(end)
  }

  /** An abandoned process runs on, and would keep the process of the search alive. */
  private async endAbandoned(): Promise<void> {
    const thread = this.world?.threads.get("t")?.thread
    if (thread === undefined || !isAbandoned(this.world?.ended().get("t")?.exit)) return
    const kill = Option.getOrThrow(ThreadAdapter.controlsOf(thread).kill)
    await Effect.runPromise(kill({ _tag: "Interrupted", message: "the run is over" }))
  }

  /** Runs all runnable tasks of the host, until all that has happened is known. */
  private async settle(): Promise<void> {
    do {
      while (this.steps.runTask());
      await quiet()
    } while (this.steps.pending > 0 && !this.budget.isLate)
  }

  private get state(): Readonly<Record<string, unknown>> {
    const { acting, child, isDone, plan, steps } = this
    return { child: child._tag, pending: steps.pending, acting, isDone, left: plan.length }
  }

  /** Ends the process of a run that hangs. */
  private async abort(): Promise<void> {
    const thread = this.world?.threads.get("t")?.thread
    if (thread !== undefined)
      await Effect.runPromise(core.shutdown(thread, { kill: "1 minute" }, { _tag: "Interrupted", message: "hangs" }))
    this.main?.interruptUnsafe(undefined)
  }

  // ---- Turns ----

  private next(): "wait" | "go" | "stuck" {
    const { child } = this
    if (child._tag === "Asking") return this.toQuestion(child.question)
    if (child._tag === "Busy") return "wait"
    // The rest of the plan comes late.
    if (!this.isDone) return "wait"
    if (this.acting > 0 && this.clock.advance()) return "go"
    const late = this.plan.shift()
    if (late === undefined) return "wait"
    this.perform(late)
    return "go"
  }

  private toQuestion(question: Question): "wait" | "go" | "stuck" {
    switch (question._tag) {
      case "Began":
        return this.world?.threads.has("t") === true ? this.answer(false) : "wait"
      case "Cut":
        this.plan.splice(this.plan.indexOf(question.index), 1)
        this.perform(question.index)
        while (this.steps.runTask());
        return this.answer(false)
      case "Finished":
        this.finished = question
        return this.answer(false)
      case "Idle":
        return this.whileIdle(question)
    }
  }

  private whileIdle({ next, requests }: Extract<Question, { readonly _tag: "Idle" }>): "wait" | "go" | "stuck" {
    if (this.requests.isUnderWay) return "wait"
    if (this.requests.sent > requests) return this.answer(false)
    const here = this.clock.next
    if (here === undefined && next === null) return "stuck"
    if (here !== undefined && (next === null || here <= next)) return this.clock.advance() ? "go" : "stuck"
    this.hand.now = Math.max(this.hand.now, next ?? 0)
    return this.answer(true)
  }

  private answer(advance: boolean): "go" {
    this.child = { _tag: "Busy" }
    const text = JSON.stringify({ now: this.hand.now, requests: this.requests.sent, advance })
    Queue.offerUnsafe(this.answers, new TextEncoder().encode(`${text}\n`))
    return "go"
  }

  private perform(index: number): void {
    // There is a world once the process has begun.
    const performed = Interpreter.perform(this.world!, this.scenario.plan[index]!, index, () =>
      this.main?.interruptUnsafe(undefined)
    )
    this.acting++
    this.fork(performed, () => this.acting--)
  }

  private fork(effect: Effect.Effect<unknown, unknown>, done: () => void): Fiber.Fiber<unknown, unknown> {
    const fiber = Effect.runForkWith(this.context)(effect)
    fiber.addObserver(() => {
      done()
      this.changes.wake()
    })
    return fiber
  }

  // ---- The process ----

  private program(): Effect.Effect<unknown, unknown> {
    const subject: Subject = { ...core, ...this.options.subject }
    const onEvent = (event: Event): void => void this.events.push(event)
    const ledger = Scenario.isReported(this.scenario)
    return Effect.flatMap(World.make({ subject, clock: this.clock, onEvent, ledger, firstId: 1_000_000 }), (world) => {
      this.world = world
      const start = Effect.uninterruptible(
        Effect.flatMap(this.spawn(), (thread) =>
          Effect.andThen(world.admit({ name: "t", thread, scope: "main" }, "main"), () => {
            if (ledger) this.noteProcess(world, thread)
            return Effect.succeed(thread)
          })
        )
      )
      return Effect.onExit(Effect.scoped(Effect.flatMap(start, (thread) => subject.await(thread))), () =>
        world.noting(() => ({ _tag: "ScopeClosed", thread: "main", scope: "main", live: world.liveIn("main") }))
      )
    })
  }

  /** The lease of the process was there before the world could observe the thread. */
  private noteProcess(world: World.World, thread: ProcessThread.ProcessThread): void {
    const lease = `process node (pid ${thread.pid})`
    const later = new Set<object>()
    world.note({ _tag: "Entered", thread: "t", lease })
    ThreadAdapter.observeLeases(thread, {
      entered: (key) => later.add(key),
      settled: (key, fate, failure) => {
        if (!later.has(key)) world.note({ _tag: "Left", thread: "t", lease, fate, failure })
      }
    })
  }

  private spawn() {
    const given: Given = { scenario: this.scenario, cut: this.cut, fault: this.options.fault }
    const command = ChildProcess.make("node", [program, JSON.stringify(given)], {
      env: { PATH: `${process.execPath.replace(/\/[^/]*$/, "")}:${process.env["PATH"]}`, NODE_NO_WARNINGS: "1" },
      extendEnv: true,
      stderr: "inherit"
    })
    const options = { name: "t", stop: "message", interrupt: "message", escalation: Escalation.interrupt } as const
    return Effect.map(
      Effect.provideService(ProcessThread.spawn(command, options), ChildProcessSpawner, this.options.spawner),
      (thread) => {
        const lines = Stream.splitLines(Stream.decodeText(thread.stdout))
        Effect.runFork(Effect.ignore(Stream.runForEach(lines, (line) => Effect.sync(() => this.take(line)))))
        Effect.runFork(Effect.ignore(Stream.run(Stream.fromQueue(this.answers), thread.stdin)))
        ThreadAdapter.onExit(thread, () => {
          this.child = { _tag: "Gone" }
          this.requests.over()
          this.changes.wake()
        })
        this.requests.watch(thread)
        return thread
      }
    )
  }

  private take(line: string): void {
    // The program of the laws writes nothing else.
    const message = JSON.parse(line) as FromProcess
    if (message._tag === "Trace") this.events.push(...message.events)
    else if (this.child._tag !== "Gone") this.child = { _tag: "Asking", question: message }
    this.changes.wake()
  }

  private outcomeOf(end: Outcome["end"]): Outcome {
    const { cut, finished, scenario } = this
    const threads = this.world!.ended()
    const decoder = new Decoder()
    for (const { reason } of threads.values()) if (reason !== undefined) decoder.know(reason)
    return {
      scenario,
      cut,
      end: this.isDone ? "Done" : end,
      steps: finished?.steps ?? 0,
      events: this.events.map((event) => ("sequence" in event ? decoder.event(event) : event)),
      threads,
      leftovers:
        finished === undefined
          ? undefined
          : { tasks: 0, sleeps: finished.sleeps, listeners: 0, queued: [], lock: "free" },
      bystanders: [],
      isElsewhere: true
    }
  }
}
