/** Starts the processes of a command as a pipeline. If one process can't be started, the others are ended. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as PlatformError from "effect/PlatformError"
import type * as ChildProcess from "effect/process/ChildProcess"
import { type ChildProcessHandle, ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { hasProperty } from "effect/Predicate"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { readOr } from "@quiesce/core/internal"
import * as ProcessError from "../../ProcessError.ts"
import * as Channel from "./channel.ts"
import { Family } from "./family.ts"
import * as Guardian from "./guardian.ts"
import * as Mark from "./mark.ts"
import { Member } from "./member.ts"
import * as NodeProcess from "./nodeProcess.ts"
import * as Pipeline from "./pipeline.ts"

/** How long a process may outlive its kill, in milliseconds, before it counts as left. */
export const killMillis = 5000

export interface Started {
  /** At least one process. The exit of the last process is the exit of the command. */
  readonly members: ReadonlyArray<Member>
  readonly family: Family
  readonly channel: Channel.Channel | undefined
  /** The failure of the stream for the input. */
  readonly inputFailed: Promise<ProcessError.ProcessError>
  /** Lets go of the handles of Effect, after the end of the processes. */
  readonly close: () => void
}

export const start = (
  command: ChildProcess.Command,
  hasChannel: boolean
): Effect.Effect<Started, ProcessError.ProcessError, ChildProcessSpawner> =>
  Effect.flatMap(ChildProcessSpawner, (spawner) =>
    Effect.suspend(() => {
      Guardian.start()
      const starting = new Starting()
      return Effect.map(
        Effect.onError(
          Effect.forEach(Pipeline.partsOf(command), (part, index) =>
            starting.next(spawner, part, hasChannel && index === 0)
          ),
          () => starting.undo
        ),
        () => starting.started
      )
    })
  )

class Starting {
  private readonly mark = Mark.make()
  private readonly scope = Scope.makeUnsafe()
  private readonly members: Array<Member> = []
  private readonly feeds: Array<Fiber.Fiber<unknown, unknown>> = []
  private readonly pipes: Array<NodeProcess.ClosePipes> = []
  private readonly input = Promise.withResolvers<ProcessError.ProcessError>()
  private channel: Channel.Channel | undefined = undefined

  next(
    spawner: ChildProcessSpawner["Service"],
    part: Pipeline.Part,
    hasChannel: boolean
  ): Effect.Effect<void, ProcessError.ProcessError> {
    const before = this.members.at(-1)
    const closeBefore = this.pipes.at(-1)
    // A failure of a stream that Effect runs would look like a failure of the process.
    const [piped, inputs] = Pipeline.withPipes(before === undefined ? part.command : Pipeline.reading(part))
    const [command, fd, variables] = hasChannel ? Channel.onto(piped) : ([piped, undefined, {}] as const)
    const isLeader = (command.options.detached ?? process.platform !== "win32") && process.platform !== "win32"
    return NodeProcess.withPipes(spawner.spawn(Mark.command(command, this.mark, variables))).pipe(
      Scope.provide(this.scope),
      // Node throws some errors of the system where others are events, and Effect lets them through as defects.
      Effect.catchDefect((defect) => (hasCode(defect) ? Effect.fail(defect) : Effect.die(defect))),
      Effect.mapError((error) => spawnFailed(command, error)),
      Effect.map(([handle, closePipes]) => {
        this.pipes.push(closePipes)
        const member = new Member(handle, command.command, isLeader)
        this.members.push(member)
        if (isLeader) Guardian.watch(member.pid)
        if (fd !== undefined) this.channel = new Channel.Channel(handle, fd)
        for (const input of inputs) this.feed(input, handle, command.command)
        if (before !== undefined) this.join(before, closeBefore, handle, part.join)
      })
    )
  }

  get started(): Started {
    const { channel, feeds, input, mark, members, pipes, scope } = this
    return {
      members,
      family: new Family(mark, members),
      channel,
      inputFailed: input.promise,
      close: () => {
        channel?.close()
        for (const feed of feeds) feed.interruptUnsafe()
        for (const closePipes of pipes) closePipes()
        for (const { isLeader, pid } of members) if (isLeader) Guardian.unwatch(pid)
        // Effect waits for the remaining members of a group, so nothing waits for Effect.
        Effect.runFork(Scope.close(scope, Exit.void))
      }
    }
  }

  /** Ends the processes that were started. */
  get undo(): Effect.Effect<void> {
    return Effect.promise(async () => {
      // The first process was not started, so there is nothing to look for. Without a descriptor, looks would take seconds.
      if (this.members.length > 0) await this.started.family.kill(killMillis)
      this.started.close()
    })
  }

  private feed({ fd, source }: Pipeline.Input, handle: ChildProcessHandle, command: string): void {
    // A failure of the source differs from a process that has stopped reading.
    const failed = (cause: unknown): void =>
      this.input.resolve(ProcessError.make({ _tag: "InputFailed", command, cause }))
    const told = Stream.tapError(source, (cause) => Effect.sync(() => failed(cause)))
    const fed = Effect.matchCause(Stream.run(told, Pipeline.sinkOf(handle, fd)), {
      onSuccess: () => {},
      // The process reports the end of its reading as a typed failure, so a defect or an interruption is the source's.
      onFailure: (cause) => {
        if (!Cause.hasFails(cause)) failed(cause)
      }
    })
    this.feeds.push(Effect.runFork(fed))
  }

  /** Joins the output of a process to the input of the next one. */
  private join(
    before: Member,
    closeBefore: NodeProcess.ClosePipes | undefined,
    handle: ChildProcessHandle,
    join: ChildProcess.PipeOptions | undefined
  ): void {
    const [source, unread] = Pipeline.outputsOf(before.handle, join)
    const sink = Pipeline.sinkOf(handle, Pipeline.targetOf(join))
    const piped = Effect.matchCauseEffect(Stream.run(source, sink), {
      onSuccess: () => Effect.void,
      // As a pipe of the system does when nobody reads on. A process that ignores the signal, as Node does, gets an error
      // from its next write.
      onFailure: () =>
        Effect.sync(() => {
          before.signal("SIGPIPE")
          closeBefore?.(Pipeline.sourcesOf(join))
        })
    })
    this.feeds.push(Effect.runFork(piped))
    for (const output of unread) this.feeds.push(Effect.runFork(Effect.ignore(Stream.runDrain(output))))
  }
}

/** An error of Node, which has thrown it in place of an event. */
interface Thrown {
  readonly code: string
  readonly message: string
}

const hasCode = (defect: unknown): defect is Thrown =>
  readOr(() => defect instanceof Error && hasProperty(defect, "code") && typeof defect.code === "string", false)

const spawnFailed = (
  command: ChildProcess.StandardCommand,
  cause: PlatformError.PlatformError | Thrown
): ProcessError.ProcessError => {
  const problem = "code" in cause ? thrownProblem(command, cause) : platformProblem(command, cause)
  return ProcessError.make({ _tag: "SpawnFailed", command: command.command, problem, cause })
}

const thrownProblem = ({ options }: ChildProcess.StandardCommand, { code, message }: Thrown): string => {
  switch (code) {
    case "E2BIG":
      return "its arguments and its environment are longer than the system permits. Give long data as input or in a file"
    case "ENAMETOOLONG":
      return "the name is longer than the system permits"
    case "ELOOP":
      return "its path has a loop of symbolic links"
    case "ENOTDIR":
      return options.cwd === undefined
        ? "a part of its path is a file and no folder"
        : `${options.cwd}, or a part of the path of the program, is a file and no folder`
    default:
      return message
  }
}

const platformProblem = (
  { options }: ChildProcess.StandardCommand,
  { reason }: PlatformError.PlatformError
): string => {
  const { cause } = reason
  if (hasCode(cause) && (cause.code === "EMFILE" || cause.code === "ENFILE"))
    return "no file descriptor is left. Close files and connections, run fewer commands at once, or raise the limit (ulimit -n)"
  if (reason._tag === "PermissionDenied")
    return "the system does not permit it. Check that the file is a program with the permission to execute"
  if (reason._tag !== "NotFound") return reason.message
  return options.cwd === undefined
    ? "no such program was found. Check the name and the PATH"
    : `no such program was found, or the folder ${options.cwd} does not exist. Check the name, the PATH and the folder`
}
