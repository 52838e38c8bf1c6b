/**
 * One run of a user's program, with or without a cancel, and its left-overs.
 *
 * The program runs as a thread in its environment. A second run without a cancel, in the same environment, shows whether
 * the cancel has broken the environment. Then the environment is taken down, and the search for left-overs begins.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Thread from "@quiesce/core/Thread"
import * as ThreadAdapter from "@quiesce/core/adapter"
import { causeText } from "@quiesce/core/internal"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as Journal from "../../Journal.ts"
import * as StepScheduler from "../../StepScheduler.ts"
import * as VirtualClock from "../../VirtualClock.ts"
import type { LeftOver } from "../../LeftOver.ts"
import { FiberWatch } from "./fiberWatch.ts"
import { currentTracker } from "../leaks/tracker.ts"
import { quietly } from "../leaks/resources.ts"
import { Watch } from "../leaks/watch.ts"
import { counted } from "../wording.ts"

type AnyExit = Exit.Exit<unknown, unknown>

/** The action at a step of the program, counted from 1: a cancel, or a raised error. */
export interface Injection {
  readonly step: number
  readonly raise: Thread.Raisable | undefined
}

export interface Options {
  readonly program: Effect.Effect<unknown, unknown, Scope.Scope>
  readonly environment: Layer.Layer<never, unknown> | undefined
  /**
   * Real time, with the limit on the wait for closing resources, and the time for which the program may do nothing, both in
   * milliseconds.
   */
  readonly live: { readonly within: number; readonly patience: number } | undefined
  readonly seed: number | undefined
  readonly budget: number
  readonly injections: ReadonlyArray<Injection>
}

export interface Result {
  readonly end: "Done" | "Deadlock" | "Endless"
  /** The steps of the program, without those of its environment. */
  readonly steps: number
  /** Whether an injection reached the program, as a raised error may not; undefined without an injection. */
  readonly delivered: boolean | undefined
  readonly exit: AnyExit | undefined
  /** The exit of the second run, if any. */
  readonly again: AnyExit | undefined
  readonly place: string
  readonly waits: ReadonlyArray<string>
  readonly journal: Journal.Journal
  /** The failure of the environment. */
  readonly broken: string | undefined
  /** The number of journal entries of the first run. */
  readonly entries: number
  readonly left: ReadonlyArray<string>
}

/** The limit on waiting fibers in the place of a cancel. */
const mostPlaces = 3

const reason = CancelReason.interrupted({ message: "Cancelled to see what that leaves" })

export class ExploredRun {
  private readonly options: Options
  private readonly journal = Journal.make()
  private readonly clock = VirtualClock.make()
  private readonly watch = new FiberWatch()
  private readonly scheduler: StepScheduler.StepScheduler
  private readonly context: Context.Context<never>
  private thread: Thread.Thread<unknown, unknown> | undefined = undefined
  private done = false
  private delivered: boolean | undefined = undefined
  private from = Infinity
  /** The steps without a runnable task. */
  private idle = 0
  private steps = 0
  private exit: AnyExit | undefined = undefined
  private again: AnyExit | undefined = undefined
  private entries = 0
  private root: Fiber.Fiber<void, unknown> | undefined = undefined
  private isGivenUp = false
  private broken: string | undefined = undefined
  private place = ""
  private woken: () => void = () => {}
  private readonly injections: Array<Injection>

  constructor(options: Options) {
    this.options = options
    const { budget, seed } = options
    this.injections = options.injections.toSorted((a, b) => a.step - b.step)
    this.scheduler = StepScheduler.make({
      seed,
      budget,
      onStep: (fiber) => this.step(fiber),
      onTask: () => this.woken()
    })
    const base: Context.Context<never> = Context.make(Scheduler.Scheduler, this.scheduler as Scheduler.Scheduler).pipe(
      Context.add(Tracer.Tracer, this.watch.tracer),
      Context.add(Journal.Current, this.journal)
    )
    this.context = options.live !== undefined ? base : Context.add(base, Clock.Clock, this.clock as Clock.Clock)
  }

  async run(): Promise<Result> {
    const { live } = this.options
    // In virtual time the program makes its resources in its own steps, and no resource takes time to close.
    const watch = new Watch(live === undefined ? "own" : "bound")
    try {
      await currentTracker.run(watch.tracker, () => {
        this.start()
        return live === undefined ? this.runVirtual() : this.runLive()
      })
      const left = this.done ? await watch.leftOvers(live?.within ?? 0) : []
      // A resource that closed may have woken a fiber.
      this.drain()
      const result = this.result([...sleepingOf(this.clock.pending), ...left.map(inWords)])
      this.giveUp()
      return result
    } finally {
      watch.end()
    }
  }

  /** Ends the real resources of a run that does not end. */
  private giveUp(): void {
    if (this.done || this.scheduler.exhausted) return
    this.isGivenUp = true
    this.root?.interruptUnsafe()
    this.drain()
  }

  private start(): void {
    this.root = Effect.runForkWith(this.context)(this.whole)
    this.root.addObserver((exit) => {
      if (this.isGivenUp) return
      this.done = true
      if (Exit.isFailure(exit)) this.broken = causeText(exit.cause)
      this.woken()
    })
  }

  /** `left` are the left-overs of the platform. */
  private result(left: ReadonlyArray<string>): Result {
    const { scheduler, watch } = this
    const all = [
      ...watch.waiting.map((wait) => `a fiber was left: ${wait}`),
      ...watch.openScopes,
      ...(scheduler.pending === 0 ? [] : [`${counted(scheduler.pending, "task")} left that could still run`]),
      ...left
    ]
    return {
      end: this.done ? "Done" : scheduler.exhausted ? "Endless" : "Deadlock",
      steps: this.steps,
      delivered: this.delivered,
      exit: this.exit,
      again: this.again,
      place: this.place,
      waits: watch.waiting,
      journal: { entries: [...this.journal.entries] },
      broken: this.broken,
      entries: this.exit === undefined ? this.journal.entries.length : this.entries,
      left: this.done ? all : []
    }
  }

  // ---- The program ----

  private get whole(): Effect.Effect<void, unknown> {
    const { environment } = this.options
    const first = (built: Context.Context<never>) =>
      Effect.map(this.attempt(built, true), (exit) => {
        this.exit = exit
        this.entries = this.journal.entries.length
      })
    if (environment === undefined) return first(Context.empty())
    return Effect.scoped(
      Effect.flatMap(Layer.build(environment), (built) =>
        Effect.andThen(
          first(built),
          Effect.map(this.attempt(built, false), (exit) => {
            this.again = exit
          })
        )
      )
    )
  }

  private attempt(built: Context.Context<never>, isFirst: boolean): Effect.Effect<AnyExit, unknown> {
    const program = Effect.provideContext(this.options.program, built)
    return Effect.scoped(
      Effect.flatMap(Thread.spawn(program, { name: "program" }), (thread) => {
        const unobserve = ThreadAdapter.observeLeases(thread, this.leases)
        if (isFirst) this.begin(thread)
        this.watch.waiter = Fiber.getCurrent()
        return Effect.map(Thread.await(thread), (exit) => {
          this.watch.waiter = undefined
          unobserve()
          if (isFirst) this.steps = this.passed
          if (isFirst) this.from = Infinity
          return exit
        })
      })
    )
  }

  private readonly names = new Map<object, string>()

  private readonly leases: ThreadAdapter.LeaseObserver = {
    entered: (lease, name) => {
      this.names.set(lease, `lease ${name}`)
      this.journal.entries.push({ what: "acquired", name: `lease ${name}` })
    },
    settled: (lease, fate) =>
      this.journal.entries.push({ what: fate === "timedOut" ? "lost" : fate, name: this.names.get(lease) ?? "a lease" })
  }

  private begin(thread: Thread.Thread<unknown, unknown>): void {
    this.thread = thread
    this.from = this.scheduler.steps
    this.idle = 0
  }

  /** The number of past steps of the program. */
  private get passed(): number {
    return this.scheduler.steps - this.from + this.idle
  }

  private step(fiber: Parameters<FiberWatch["observe"]>[0]): (() => void) | undefined {
    this.watch.observe(fiber)
    return this.injection()
  }

  /** The action at this step, if any. */
  private injection(place: () => string = () => this.watch.place): (() => void) | undefined {
    const { thread } = this
    const next = this.injections[0]
    if (thread === undefined || next === undefined || this.passed < next.step) return undefined
    this.injections.shift()
    if (this.place === "") this.place = place()
    return () => {
      const injection =
        next.raise === undefined ? Thread.interruptFork(thread, { reason }) : Thread.raise(thread, next.raise)
      // An observer takes no step, so that the steps of the program stay as they are.
      Effect.runForkWith(this.context)<boolean | void, never>(injection).addObserver((exit) => {
        if (Exit.isSuccess(exit)) this.delivered = this.delivered === true || exit.value !== false
      })
    }
  }

  /** Cancels while no task runs, so that the cancel falls into a wait of the program. */
  private readonly whileIdle = (): string => `while ${this.watch.waiting.slice(0, mostPlaces).join(", and ")}`

  // ---- Time ----

  private drain(): void {
    while (!this.scheduler.exhausted && this.scheduler.runTask());
  }

  /** One turn of the event loop passes if no task can run, and then time passes. */
  private async runVirtual(): Promise<void> {
    do {
      do {
        this.drain()
        // Each turn depends on the turn before.
        await turn()
      } while (this.scheduler.pending > 0 && !this.scheduler.exhausted)
    } while (!this.done && !this.scheduler.exhausted && this.clock.advance())
  }

  private async runLive(): Promise<void> {
    for (;;) {
      this.drain()
      if (this.done || this.scheduler.exhausted) return
      if (this.scheduler.pending === 0 && !(await this.somethingHappens())) return
    }
  }

  /** False after too long without a task. Each millisecond is a step, so that a cancel can fall into a wait. */
  private somethingHappens(): Promise<boolean> {
    return new Promise((resolve) => {
      const over = (happened: boolean) => {
        clearInterval(timer)
        this.woken = () => {}
        resolve(happened)
      }
      let left = this.options.live?.patience ?? 0
      const pass = () => {
        this.idle++
        this.injection(this.whileIdle)?.()
        if (--left === 0) over(false)
      }
      const timer = quietly(() => setInterval(pass, 1))
      this.woken = () => over(true)
    })
  }
}

const sleepingOf = (count: number): ReadonlyArray<string> =>
  count === 0 ? [] : [`${counted(count, "sleep")} of the Clock ${count === 1 ? "was" : "were"} left`]

const turn = (): Promise<void> => new Promise((resolve) => quietly(() => setImmediate(resolve)))

const inWords = ({ kind, madeAt, what }: LeftOver): string =>
  `a ${kind} was left: ${what}${madeAt[0] === undefined ? "" : `, made at ${madeAt[0]}`}`
