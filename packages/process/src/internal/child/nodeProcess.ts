/**
 * Node's own object of a process that Effect starts. The handle of Effect has no way to close a pipe: another process that
 * holds the other end would keep this process alive, and a pipe that nobody reads would stay open.
 *
 * Invariant: without the object, as under another spawner than Effect's for Node, nothing is closed.
 */
import type { ChildProcess } from "node:child_process"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import * as Effect from "effect/Effect"
import type { ChildProcessHandle } from "effect/process/ChildProcessSpawner"

/** The channel of Node on which each new process is published, before the process has a number. */
const channel = "child_process"

/** Closes the pipes of the descriptors with these numbers. Without numbers, all pipes are closed. */
export type ClosePipes = (fds?: ReadonlyArray<number>) => void

/** Starts a process, and gives the way to close its pipes. */
export const withPipes = <E, R>(
  spawn: Effect.Effect<ChildProcessHandle, E, R>
): Effect.Effect<readonly [ChildProcessHandle, ClosePipes], E, R> =>
  Effect.suspend(() => {
    // Other code of this process may start processes meanwhile.
    const started: Array<ChildProcess> = []
    const note = (message: unknown): void => {
      // Node's documentation promises the shape of the message.
      started.push((message as { readonly process: ChildProcess }).process)
    }
    subscribe(channel, note)
    return Effect.ensuring(
      Effect.map(spawn, (handle) => {
        const process = started.find(({ pid }) => pid === handle.pid)
        return [handle, (fds) => closePipes(process, fds)] as const
      }),
      Effect.sync(() => unsubscribe(channel, note))
    )
  })

const closePipes = (process: ChildProcess | undefined, fds?: ReadonlyArray<number>): void => {
  const pipes = process?.stdio ?? []
  for (const [fd, pipe] of pipes.entries()) if (fds === undefined || fds.includes(fd)) pipe?.destroy()
}
