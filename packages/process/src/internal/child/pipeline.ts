/** The processes of a command, started one after another by Effect's spawner. */
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessHandle } from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"

export type Bytes = Stream.Stream<Uint8Array, PlatformError.PlatformError>

/** One command of a pipeline. `from` and `to` name the output of the command before and the input of this command. */
export interface Part {
  readonly command: ChildProcess.StandardCommand
  readonly join: ChildProcess.PipeOptions | undefined
}

export const partsOf = (command: ChildProcess.Command): ReadonlyArray<Part> => {
  if (command._tag === "StandardCommand") return [{ command, join: undefined }]
  const [first, ...rest] = partsOf(command.right)
  // A command has at least one part.
  return [...partsOf(command.left), { ...first!, join: command.options }, ...rest]
}

/** A stream for an input of a process, and the number of the input. */
export interface Input {
  readonly fd: number
  readonly source: Bytes
}

/** The command with pipes in place of its input streams, and the streams. */
export const withPipes = (
  command: ChildProcess.StandardCommand
): readonly [ChildProcess.StandardCommand, ReadonlyArray<Input>] => {
  const { additionalFds = {}, stdin } = command.options
  const config = typeof stdin === "string" || stdin === undefined || Stream.isStream(stdin) ? undefined : stdin
  const given = config === undefined ? stdin : config.stream
  const inputs = Object.entries(additionalFds).flatMap(([name, config]): ReadonlyArray<Input> => {
    const fd = ChildProcess.parseFdName(name)
    if (fd === undefined || config.type === "output" || config.stream === undefined) return []
    return [{ fd, source: config.stream }]
  })
  const piped = inputs.map(({ fd }) => [`fd${fd}`, { ...additionalFds[`fd${fd}`]!, stream: undefined }] as const)
  const others = inputs.length === 0 ? {} : { additionalFds: { ...additionalFds, ...Object.fromEntries(piped) } }
  if (!Stream.isStream(given)) return [withOptions(command, others), inputs]
  const options = { ...others, stdin: { ...config, stream: "pipe" as const } }
  return [withOptions(command, options), [{ fd: 0, source: given }, ...inputs]]
}

/** The command that reads the output of the command before. */
export const reading = ({ command, join }: Part): ChildProcess.StandardCommand => {
  const fd = targetOf(join)
  if (fd === undefined) {
    const { stdin } = command.options
    const config = typeof stdin === "string" || stdin === undefined || Stream.isStream(stdin) ? {} : stdin
    return withOptions(command, { stdin: { ...config, stream: "pipe" } })
  }
  const name = `fd${fd}` as const
  const { additionalFds } = command.options
  return withOptions(command, {
    additionalFds: { ...additionalFds, [name]: additionalFds?.[name] ?? { type: "input" as const } }
  })
}

/** The sink of an input of a process. */
export const sinkOf = (handle: ChildProcessHandle, fd: number | undefined): ChildProcessHandle["stdin"] =>
  fd === undefined || fd === 0 ? handle.stdin : handle.getInputFd(fd)

/** The number of the input of a pipeline; undefined for the standard input. */
export const targetOf = (join: ChildProcess.PipeOptions | undefined): number | undefined =>
  join?.to === undefined || join.to === "stdin" ? undefined : ChildProcess.parseFdName(join.to)

/** The numbers of the outputs of a process for a pipeline. */
export const sourcesOf = (join: ChildProcess.PipeOptions | undefined): ReadonlyArray<number> => {
  const from = join?.from ?? "stdout"
  if (from === "all") return [1, 2]
  if (from === "stderr") return [2]
  return [ChildProcess.parseFdName(from) ?? 1]
}

/** The output of a process for a pipeline, and the other outputs, which nobody reads. */
export const outputsOf = (
  handle: ChildProcessHandle,
  join: ChildProcess.PipeOptions | undefined
): readonly [source: Bytes, unread: ReadonlyArray<Bytes>] => {
  const from = join?.from ?? "stdout"
  if (from === "all") return [handle.all, []]
  if (from === "stderr") return [handle.stderr, [handle.stdout]]
  const fd = ChildProcess.parseFdName(from)
  return fd === undefined ? [handle.stdout, [handle.stderr]] : [handle.getOutputFd(fd), [handle.stdout, handle.stderr]]
}

export const withOptions = (
  command: ChildProcess.StandardCommand,
  options: ChildProcess.CommandOptions
): ChildProcess.StandardCommand => ChildProcess.make(command.command, command.args, { ...command.options, ...options })
