/**
 * The controls of a thread whose work is a command.
 *
 * Invariants:
 * 1. The state moves from Running to Draining to Ended. Running may become Asked, and both may become Killed. The exit
 *    of the thread is decided when the last process of the command ends.
 * 2. The thread is settled after the last descendant that can be found has ended, or has outlived a kill.
 * 3. No wait here depends on a reader of an output or on another process without a limit.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as ForcedEnd from "@quiesce/core/ForcedEnd"
import type * as ThreadAdapter from "@quiesce/core/adapter"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as ProcessError from "../../ProcessError.ts"
import type { Request } from "./channel.ts"
import * as Guardian from "./guardian.ts"
import type { End, Member } from "./member.ts"
import { Output } from "./output.ts"
import { within } from "./pause.ts"
import type { Bytes } from "./pipeline.ts"
import * as Table from "./processTable.ts"
import type { Settings } from "./settings.ts"
import { killMillis, type Started } from "./started.ts"

type ProcessExit = ProcessError.ProcessExit

/** How long the outputs may stay open after the last process that can be found has ended by a kill, in milliseconds. */
const outputMillis = 500

type ThreadExit = Exit.Exit<ProcessExit, ProcessError.ProcessError>

type State =
  | { readonly _tag: "Running" }
  /** Interrupted: the exit is an interruption, however the process ends. */
  | { readonly _tag: "Asked"; readonly reason: CancelReason.CancelReason }
  | { readonly _tag: "Killed"; readonly reason: CancelReason.CancelReason }
  /** The stream for the input has failed. */
  | { readonly _tag: "Failed"; readonly error: ProcessError.ProcessError }
  | { readonly _tag: "Draining"; readonly exit: ThreadExit; readonly isKilled: boolean }
  | { readonly _tag: "Ended" }

export class ChildThread implements ThreadAdapter.Controls {
  readonly stdout: Output = new Output("stdout")
  readonly stderr: Output = new Output("stderr")
  /** The command was started before the thread was made. */
  readonly hasStarted = true
  /** Resolves when the thread settles. */
  readonly ended: Promise<void>
  private readonly endedNow: () => void
  private readonly thread: ThreadAdapter.RemoteThread<ProcessExit, ProcessError.ProcessError>
  private readonly child: Started
  private readonly settings: Settings
  private readonly last: Member
  private readonly pumps: ReadonlyArray<Fiber.Fiber<unknown, unknown>>
  private readonly release: ReturnType<ThreadAdapter.RemoteThread<unknown, unknown>["enter"]>
  /** Aborts when nothing more is to be waited for. */
  private readonly hurry = new AbortController()
  private state: State = { _tag: "Running" }

  constructor(
    thread: ThreadAdapter.RemoteThread<ProcessExit, ProcessError.ProcessError>,
    child: Started,
    settings: Settings
  ) {
    this.thread = thread
    this.child = child
    this.settings = settings
    // A command has at least one process.
    this.last = child.members.at(-1)!
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    this.endedNow = resolve
    thread.started("process", this.last.pid)
    this.release = thread.enter(`process ${this.last.program} (pid ${this.last.pid})`, { keptBy: "host" })
    this.pumps = [this.pump(this.stdout, this.last.handle.stdout), this.pump(this.stderr, this.last.handle.stderr)]
    void this.watchInput()
    void this.supervise()
  }

  get pid(): number {
    return this.last.pid
  }

  /** The input of the first process. A writer fails at the end of the thread, even if others hold the pipe. */
  get stdin(): Sink.Sink<void, Uint8Array, never, ProcessError.ProcessError> {
    const { handle, program: command } = this.child.members[0]!
    const closed = (cause: unknown): ProcessError.ProcessError =>
      ProcessError.make({ _tag: "InputClosed", command, cause })
    const sink = Sink.mapError(handle.stdin, closed)
    const ended = Effect.flatMap(
      Effect.promise(() => this.ended),
      () => Effect.fail(closed(undefined))
    )
    return Sink.fromTransform((upstream, scope) => Effect.raceFirst(sink.transform(upstream, scope), ended))
  }

  // ---- From the start to the end ----

  private async supervise(): Promise<void> {
    const end = await this.last.end
    const isKilled = this.state._tag === "Killed"
    const exit = this.exitOf(end)
    this.state = { _tag: "Draining", exit, isKilled }
    const isGone = await this.drain()
    const left = isGone ? [] : await this.killRest()
    this.settle(left)
  }

  private exitOf(end: End): ThreadExit {
    const { state } = this
    switch (state._tag) {
      case "Killed": {
        const killed = ForcedEnd.killed(this.thread.name, [])
        return Exit.failCause(ForcedEnd.annotate(CancelReason.toCause(state.reason), killed))
      }
      case "Asked":
        return Exit.failCause(CancelReason.toCause(state.reason))
      case "Failed":
        return Exit.fail(state.error)
      case "Running":
      case "Draining":
      case "Ended":
        return end._tag === "Known" ? Exit.succeed(end.exit) : Exit.fail(this.lost(end.cause))
    }
  }

  private lost(cause: unknown): ProcessError.ProcessError {
    return ProcessError.make({ _tag: "Lost", command: this.last.program, pid: this.pid, cause })
  }

  /** Waits for the descendants and for the ends of the outputs, with a limit. False if the limit was reached. */
  private async drain(): Promise<boolean> {
    const outputs = [this.stdout, this.stderr]
    for (const output of outputs) output.lift()
    const { signal } = this.hurry
    const { drainMillis } = this.settings
    let isGone = false
    const gone = this.child.family.gone(drainMillis, signal).then((result) => (isGone = result))
    await within(Promise.all([gone, ...outputs.map(({ ended }) => ended)]), drainMillis, signal)
    // Killed processes close their outputs without a fault of anybody.
    if (!signal.aborted) this.cut()
    return isGone && outputs.every(({ hasEnded }) => hasEnded)
  }

  private cut(): void {
    const { program: command } = this.last
    const millis = this.settings.drainMillis
    for (const output of [this.stdout, this.stderr])
      output.end(ProcessError.make({ _tag: "OutputCut", command, stream: output.name, millis }))
  }

  /** Kills the rest of the family. The result describes the processes that remain. */
  private async killRest(): Promise<ReadonlyArray<string>> {
    const before = await this.child.family.describe()
    const left = before.length === 0 ? before : await this.child.family.kill(killMillis)
    // The pipes of killed processes end at once, and those of processes that were not found may never end.
    await within(Promise.all([this.stdout.ended, this.stderr.ended]), outputMillis)
    this.cut()
    return left
  }

  private settle(left: ReadonlyArray<string>): void {
    if (this.state._tag !== "Draining") return
    const { exit, isKilled } = this.state
    this.state = { _tag: "Ended" }
    for (const pump of this.pumps) pump.interruptUnsafe()
    this.child.close()
    if (left.length > 0) this.release("failed", `still there after a kill: ${left.join(", ")}`)
    else this.release("released", null)
    if (isKilled && !Table.isShown) this.nameUnseen()
    this.thread.settle(exit)
    this.endedNow()
  }

  /** Says in the report that processes outside the group were not looked for. */
  private nameUnseen(): void {
    const { program } = this.last
    this.thread.enter(`processes of ${program} outside its group, which ${process.platform} does not show`)(
      "lost",
      null
    )
  }

  private pump(output: Output, source: Bytes): Fiber.Fiber<unknown, unknown> {
    const { program: command } = this.last
    const pumped = Effect.matchCause(
      Stream.runForEachArray(source, (chunks) => output.write(chunks)),
      {
        onSuccess: () => output.end(),
        onFailure: (cause) =>
          output.end(ProcessError.make({ _tag: "OutputFailed", command, stream: output.name, cause }))
      }
    )
    return Effect.runFork(pumped)
  }

  /** The process got a part of its input only, so its work is not the one that was asked for. */
  private async watchInput(): Promise<void> {
    const error = await this.child.inputFailed
    if (this.state._tag !== "Running") return
    this.state = { _tag: "Failed", error }
    await this.child.family.signal("SIGTERM")
    await within(this.ended, this.settings.drainMillis, this.hurry.signal)
    this.killNow()
  }

  private killNow(): void {
    this.hurry.abort()
    if (this.state._tag === "Ended") return
    void this.child.family.kill(killMillis)
  }

  // ---- Controls ----

  requestStop(reason: CancelReason.CancelReason): Effect.Effect<void> {
    return Effect.sync(() => this.ask("stop", reason))
  }

  requestInterrupt(reason: CancelReason.CancelReason): Effect.Effect<void> {
    return Effect.sync(() => {
      // Further reasons send nothing: many programs take a second signal as a wish to end without a cleanup.
      if (this.state._tag !== "Running" && this.state._tag !== "Draining") return
      this.ask("interrupt", reason)
      // A process that has ended by itself keeps its exit.
      if (this.state._tag === "Running" && this.last.isRunning) this.state = { _tag: "Asked", reason }
    })
  }

  private ask(rung: Request["rung"], reason: CancelReason.CancelReason): void {
    const way = this.settings[rung]
    const { channel, family } = this.child
    if (way === "message") void family.afterLook(() => channel?.ask(rung, reason))
    else if (this.state._tag === "Running") void family.signal(way)
    // The rest of a family whose command has ended.
    else if (this.state._tag === "Draining") void family.signalAll(way)
  }

  readonly unwind: Option.Option<never> = Option.none()

  readonly unwindProblem = "the code of another process can't be ended apart from the process"

  get kill(): Option.Option<(reason: CancelReason.CancelReason) => Effect.Effect<void>> {
    return Option.some((reason) =>
      Effect.sync(() => {
        const { state } = this
        if ((state._tag === "Running" || state._tag === "Asked") && this.last.isRunning)
          this.state = { _tag: "Killed", reason }
        this.killNow()
      })
    )
  }

  /** The processes that are left, in place of a stack. */
  get runsOn(): string {
    return `pid ${this.pid}`
  }

  get locate(): Effect.Effect<Option.Option<string>> {
    return Effect.promise(async () => {
      const left = await this.child.family.describe()
      return left.length === 0 ? Option.none() : Option.some(left.map((each) => `    at ${each}`).join("\n"))
    })
  }
}

/** The promises that hold on this platform now. */
export const promises = (): {
  readonly escapees: boolean
  readonly parentKilled: boolean
  readonly messages: boolean
} => ({
  escapees: Table.isShown,
  parentKilled: Guardian.isRunning(),
  messages: process.platform !== "win32"
})
