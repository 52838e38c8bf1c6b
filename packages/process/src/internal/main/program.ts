/**
 * A program as the thread of a process, from its start to the end of the process.
 *
 * States: Starting, Running; Finishing, in which the Effect has ended by itself and its finalizers run; Ending, in which
 * the program was asked to end; Leaving, in which the exit code is known and the output is written; Gone.
 *
 * Invariants:
 * 1. The first request decides the reason of the end. A later signal only climbs or ends the process.
 * 2. The listeners of the process are removed when the program is gone, and those of its output when the output is
 *    written. Until then a third signal ends the process.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { messageOf } from "@quiesce/core/internal"
import type { CancelReason } from "@quiesce/core/CancelReason"
import * as ShutdownReport from "@quiesce/core/ShutdownReport"
import type * as Thread from "@quiesce/core/Thread"
import * as Timeline from "@quiesce/core/Timeline"
import * as BrokenOutput from "../output/brokenOutput.ts"
import { written } from "../output/writeOut.ts"
import { type Counted, SignalCount } from "../signals/signalCount.ts"
import { exitCode, type Signal } from "../signals/signalName.ts"
import * as SignalListener from "../signals/signalListener.ts"
import { Climb, endsWithin, type GivenUp, giveUp } from "./climb.ts"
import * as ExitCode from "./exitCode.ts"
import * as Handles from "./handles.ts"
import * as InTheWay from "./inTheWay.ts"
import * as Leaving from "./leaving.ts"
import { LiveWorkers } from "./liveWorkers.ts"
import * as Parent from "./parent.ts"
import * as Progress from "./progress.ts"
import * as Reasons from "./reasons.ts"
import * as Replacement from "./replacement.ts"
import type { Settings } from "./settings.ts"
import * as TimelineFile from "./timelineFile.ts"

type State =
  | { readonly _tag: "Starting" }
  | { readonly _tag: "Running"; readonly thread: Thread.Thread.Any }
  | { readonly _tag: "Finishing"; readonly thread: Thread.Thread.Any; readonly endProgress: () => void }
  | {
      readonly _tag: "Ending"
      readonly thread: Thread.Thread.Any
      readonly climb: Climb
      readonly endProgress: () => void
    }
  | { readonly _tag: "Leaving"; readonly asked: boolean }
  | { readonly _tag: "Gone" }

export class Program {
  private readonly settings: Settings
  private readonly release: () => void
  private readonly signals = new SignalCount()
  private state: State = { _tag: "Starting" }
  private recording: Timeline.Recording | undefined = undefined
  /** The uncaught exceptions. They are a part of the exit. */
  private readonly uncaught: Array<unknown> = []
  private readonly removals: ReadonlyArray<() => void>
  private readonly endOutput: () => void
  private readonly workers = new LiveWorkers()

  constructor(settings: Settings, release: () => void) {
    this.settings = settings
    this.release = release
    Replacement.prepare()
    const onError = (error: unknown): void => this.failed(error)
    process.on("uncaughtException", onError)
    this.removals = [
      SignalListener.listen(settings.dumpSignals, (signal) => this.dump(signal)),
      SignalListener.listenUntilExit(settings.signals, (signal) => this.received(signal)),
      () => process.off("uncaughtException", onError),
      settings.followsParent ? Parent.watch(() => this.ask({ _tag: "ParentEnded" })) : () => {}
    ]
    this.endOutput = BrokenOutput.watch((how) => this.broke(how))
  }

  /** Records the timeline that the environment asks for, until the scope closes. */
  readonly record: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() =>
    this.settings.timeline === undefined
      ? Effect.void
      : Effect.map(Timeline.record(), (recording) => void (this.recording = recording))
  )

  private writeTimeline(): void {
    const { recording } = this
    if (recording === undefined) return
    const problem = TimelineFile.write(this.settings.timeline!, recording)
    if (problem !== undefined) this.say(problem)
  }

  /** The thread of the program exists. A request that came before is not lost: the start is one step. */
  started(thread: Thread.Thread.Any): void {
    this.state = { _tag: "Running", thread }
  }

  /** The Effect of the program has ended, and its thread cleans up. */
  finishing(): void {
    const { settings, state } = this
    if (state._tag !== "Running") return
    const { thread } = state
    this.state = { _tag: "Finishing", thread, endProgress: Progress.start(settings.name, thread, settings.progress) }
    const { ladder } = settings
    Effect.runFork(
      Effect.flatMap(endsWithin(thread, ladder.millis), (ended) => {
        if (ended || this.state._tag !== "Finishing") return Effect.void
        const reason = Reasons.of({ _tag: "OutOfTime" })
        return Effect.map(giveUp(thread, ladder, reason), this.gaveUp)
      })
    )
  }

  /** The exit of the program with its uncaught exceptions, reported. */
  exit<A, E>(exit: Exit.Exit<A, E>): Effect.Effect<A, E> {
    const { uncaught } = this
    const own = uncaught.length === 0 || exit._tag === "Success" ? [] : exit.cause.reasons
    const dies = uncaught.map(Cause.makeDieReason)
    const whole = uncaught.length === 0 ? exit : Exit.failCause(Cause.fromReasons<E>([...dies, ...own]))
    // Uncaught exceptions were reported when they came.
    const report = this.settings.reportsErrors && ExitCode.isReported(exit) ? ExitCode.report(exit.cause) : Effect.void
    return Effect.andThen(report, whole)
  }

  /** The fiber of the program has ended. */
  ended(exit: Exit.Exit<unknown, unknown>, teardown: Runtime.Teardown): void {
    const { state } = this
    if ("endProgress" in state) state.endProgress()
    const asked = state._tag === "Ending"
    this.state = { _tag: "Leaving", asked }
    this.writeTimeline()
    teardown(exit, (code) => {
      if (code === 0 && !asked) return this.gone()
      const signal = this.settings.reraises ? ExitCode.signalOf(exit) : undefined
      const way: Leaving.Way =
        signal !== undefined && code === exitCode(signal) ? { _tag: "Reraise", signal } : { _tag: "Exit", code }
      void Leaving.leave(way, asked, this.repeatsFor)
    })
  }

  /** Handles a signal. */
  received(signal: Signal): void {
    const counted = this.signals.add(signal, performance.now())
    switch (counted) {
      case "Repeated":
        return
      case "First":
        // The rest of the output is not worth a signal.
        return this.state._tag === "Leaving" && !this.state.asked
          ? this.now(signal, counted)
          : this.ask({ _tag: "Signal", signal })
      case "Second":
        return this.settings.onSecondSignal === "exit" ? this.now(signal, counted) : this.climb(signal)
      case "Third":
        return this.now(signal, counted)
    }
  }

  /** Handles a SIGINT that has ended a section, and gives the reason of the end. */
  interruptedSection(): CancelReason {
    this.received("SIGINT")
    return this.state._tag === "Ending" ? this.state.climb.reason : Reasons.of({ _tag: "Signal", signal: "SIGINT" })
  }

  private ask(request: Reasons.Request): void {
    const { settings, state } = this
    if (state._tag !== "Running" && state._tag !== "Finishing") return
    const { thread } = state
    if (state._tag === "Finishing") state.endProgress()
    const climb = new Climb(thread, settings.ladder, Reasons.of(request), this.gaveUp)
    const endProgress = Progress.start(settings.name, thread, settings.progress)
    this.state = { _tag: "Ending", thread, climb, endProgress }
    climb.next()
  }

  private climb(signal: Signal): void {
    const { state } = this
    if (state._tag !== "Ending") return
    const { climb } = state
    // The stacks of workers are taken first, because the rung ends the code that they show.
    Effect.runFork(
      Effect.map(InTheWay.tree, (tree) => {
        if (this.state !== state) return
        const rung = climb.next()
        const left = `${(climb.left / 1000).toFixed(1)} s`
        const does = rung === undefined ? `no higher rung is available, waiting up to ${left} more` : `now on ${rung}`
        this.say(`${signal} again, ${does}. A third one ends the process at once. Still alive:\n${tree}`)
      })
    )
  }

  private dump(signal: Signal): void {
    Effect.runFork(Effect.map(InTheWay.tree, (tree) => this.say(`${signal}, the threads of this process:\n${tree}`)))
  }

  private now(signal: Signal, counted: Counted): void {
    const again = counted === "First" ? "" : " again"
    const lost =
      this.state._tag === "Leaving" ? "Output that has not been written is" : "Finalizers that have not run are"
    this.say(`${signal}${again}, ending at once. ${lost} lost.`)
    Leaving.leaveNow(signal)
  }

  private failed(error: unknown, report = ExitCode.report(Cause.die(error), "Uncaught exception")): void {
    this.uncaught.push(error)
    if (this.settings.reportsErrors && ExitCode.isReported(Exit.die(error))) Effect.runFork(report)
    if (this.state._tag === "Leaving" || this.state._tag === "Gone") this.leaveWith(1)
    else this.ask({ _tag: "Uncaught", error })
  }

  private broke(how: BrokenOutput.Broken): void {
    if (how._tag === "Failed") {
      // Effect's logger writes to stdout.
      const report = Effect.sync(() => this.say(`stdout can't be written: ${messageOf(how.error)}`))
      return how.output === "stdout" ? this.failed(how.error, report) : this.failed(how.error)
    }
    // The program has ended well, but its output is lost.
    if (this.state._tag === "Gone") this.leaveWith(exitCode(BrokenOutput.signals[how._tag]))
    else this.ask(how)
  }

  private readonly repeatsFor = (): number => this.signals.repeatsFor(performance.now())

  private leaveWith(code: number): void {
    void Leaving.leave({ _tag: "Exit", code }, true, this.repeatsFor)
  }

  private readonly gaveUp = ({ report, uninterruptible }: GivenUp): void => {
    if (!ShutdownReport.isAbandoned(report)) return
    const why = InTheWay.uninterruptible(uninterruptible)
    this.say(`given up, because it did not end in time.${why}\n${ShutdownReport.render(report)}`)
  }

  private say(text: string): void {
    process.stderr.write(`${this.settings.name}: ${text}\n`)
  }

  private gone(): void {
    this.state = { _tag: "Gone" }
    for (const remove of this.removals) remove()
    this.release()
    // A write may fail after the end of the program.
    void written().then(this.endOutput)
    const { millis, reserve } = this.settings.ladder
    Handles.watch(millis + reserve, this.workers, (text) => this.say(text))
  }
}
