/** Starts the processes of a command as a pipeline. If one process can't be started, the others are ended. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as PlatformError from "effect/PlatformError"
import type * as ChildProcess from "effect/process/ChildProcess"
import { type ChildProcessHandle, ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ProcessError from "../../ProcessError.ts"
import * as Channel from "./channel.ts"
import { Family } from "./family.ts"
import * as Guardian from "./guardian.ts"
import * as Mark from "./mark.ts"
import { Member } from "./member.ts"
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
  private readonly input = Promise.withResolvers<ProcessError.ProcessError>()
  private channel: Channel.Channel | undefined = undefined

  next(
    spawner: ChildProcessSpawner["Service"],
    part: Pipeline.Part,
    hasChannel: boolean
  ): Effect.Effect<void, ProcessError.ProcessError> {
    const before = this.members.at(-1)
    const [piped, source] = before === undefined ? Pipeline.withPipe(part.command) : [Pipeline.reading(part), undefined]
    const [command, fd, variables] = hasChannel ? Channel.onto(piped) : ([piped, undefined, {}] as const)
    const isLeader = (command.options.detached ?? process.platform !== "win32") && process.platform !== "win32"
    return spawner.spawn(Mark.command(command, this.mark, variables)).pipe(
      Scope.provide(this.scope),
      Effect.mapError((error) => spawnFailed(command, error)),
      Effect.map((handle) => {
        const member = new Member(handle, command.command, isLeader)
        this.members.push(member)
        if (isLeader) Guardian.watch(member.pid)
        if (fd !== undefined) this.channel = new Channel.Channel(handle, fd)
        if (source !== undefined) this.feed(source, handle, command.command)
        if (before !== undefined) this.join(before, handle, part.join)
      })
    )
  }

  get started(): Started {
    const { channel, feeds, input, mark, members, scope } = this
    return {
      members,
      family: new Family(mark, members),
      channel,
      inputFailed: input.promise,
      close: () => {
        channel?.close()
        for (const feed of feeds) feed.interruptUnsafe()
        for (const { isLeader, pid } of members) if (isLeader) Guardian.unwatch(pid)
        // Effect waits for the remaining members of a group, so nothing waits for Effect.
        Effect.runFork(Scope.close(scope, Exit.void))
      }
    }
  }

  /** Ends the processes that were started. */
  get undo(): Effect.Effect<void> {
    return Effect.promise(async () => {
      await this.started.family.kill(killMillis)
      this.started.close()
    })
  }

  private feed(source: Pipeline.Bytes, handle: ChildProcessHandle, command: string): void {
    // A failure of the source differs from a process that has stopped reading.
    const told = Stream.tapError(source, (cause) =>
      Effect.sync(() => this.input.resolve(ProcessError.make({ _tag: "InputFailed", command, cause })))
    )
    this.feeds.push(Effect.runFork(Effect.ignore(Stream.run(told, handle.stdin))))
  }

  /** Joins the output of a process to the input of the next one. */
  private join(before: Member, handle: ChildProcessHandle, join: ChildProcess.PipeOptions | undefined): void {
    const [source, unread] = Pipeline.outputsOf(before.handle, join)
    const fd = Pipeline.targetOf(join)
    const sink = fd === undefined ? handle.stdin : handle.getInputFd(fd)
    const piped = Effect.matchCauseEffect(Stream.run(source, sink), {
      onSuccess: () => Effect.void,
      // As a pipe of the system does when nobody reads on.
      onFailure: () => Effect.sync(() => before.signal("SIGPIPE"))
    })
    this.feeds.push(Effect.runFork(piped))
    for (const output of unread) this.feeds.push(Effect.runFork(Effect.ignore(Stream.runDrain(output))))
  }
}

const spawnFailed = (
  { command, options }: ChildProcess.StandardCommand,
  cause: PlatformError.PlatformError
): ProcessError.ProcessError => {
  const { reason } = cause
  const problem = (): string => {
    if (reason._tag === "PermissionDenied")
      return "the system does not permit it. Check that the file is a program with the permission to execute"
    if (reason._tag !== "NotFound") return reason.message
    return options.cwd === undefined
      ? "no such program was found. Check the name and the PATH"
      : `no such program was found, or the folder ${options.cwd} does not exist. Check the name, the PATH and the folder`
  }
  return ProcessError.make({ _tag: "SpawnFailed", command, problem: problem(), cause })
}
