/**
 * The messages to a child that runs on Node, by Node's own protocol: one line of JSON a message, on a descriptor that the
 * environment names. Effect's spawner makes no channel, but the descriptor is a pipe like any other.
 */
import type { CancelReason } from "@quiesce/core/CancelReason"
import { plainReason, textOf } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessHandle } from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { withOptions } from "./pipeline.ts"

/**
 * A message that asks a child to end. A child reads the messages with `process.on("message", ...)`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly _tag: "quiesce/Request"
  readonly rung: "stop" | "interrupt"
  /** The reason as plain data. The cause of `Aborted` is its text. */
  readonly reason: CancelReason
}

/** The command with a descriptor for messages, the number of the descriptor, and the variables that name it. */
export const onto = (
  command: ChildProcess.StandardCommand
): readonly [ChildProcess.StandardCommand, fd: number, variables: Record<string, string>] => {
  const { additionalFds = {} } = command.options
  const taken = Object.keys(additionalFds).map((name) => ChildProcess.parseFdName(name) ?? 0)
  const fd = Math.max(2, ...taken) + 1
  return [
    withOptions(command, { additionalFds: { ...additionalFds, [`fd${fd}`]: { type: "duplex" } } }),
    fd,
    { NODE_CHANNEL_FD: String(fd), NODE_CHANNEL_SERIALIZATION_MODE: "json" }
  ]
}

export class Channel {
  private readonly queue: Queue.Queue<Uint8Array> = Effect.runSync(Queue.unbounded<Uint8Array>())
  private readonly fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>

  constructor(handle: ChildProcessHandle, fd: number) {
    const written = Stream.run(Stream.fromQueue(this.queue), handle.getInputFd(fd))
    // Messages of the child are not read by anybody, and must not fill the pipe.
    const read = Stream.runDrain(handle.getOutputFd(fd))
    // A child that has closed the channel gets no messages.
    this.fibers = [Effect.runFork(Effect.ignore(written)), Effect.runFork(Effect.ignore(read))]
  }

  ask(rung: Request["rung"], reason: CancelReason): void {
    const plain = plainReason(reason)
    const sent = plain._tag === "Aborted" ? { ...plain, cause: textOf(plain.cause) } : plain
    const message: Request = { _tag: "quiesce/Request", rung, reason: sent }
    Queue.offerUnsafe(this.queue, new TextEncoder().encode(`${JSON.stringify(message)}\n`))
  }

  close(): void {
    for (const fiber of this.fibers) fiber.interruptUnsafe()
  }
}
