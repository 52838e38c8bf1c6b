/**
 * Node's own object of a process that Effect starts. The handle of Effect has no way to close the pipe of an output: another
 * process that holds the other end would keep this process alive.
 *
 * Invariant: without the object, as under another spawner than Effect's for Node, nothing is closed.
 */
import type { ChildProcess } from "node:child_process"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import * as Effect from "effect/Effect"
import type { ChildProcessHandle } from "effect/process/ChildProcessSpawner"

/** The channel of Node on which each new process is published, before the process has a number. */
const channel = "child_process"

/** Closes the pipes of the outputs. */
export type CloseOutputs = () => void

/** Starts a process, and gives the way to close the pipes of its outputs. */
export const withOutputs = <E, R>(
  spawn: Effect.Effect<ChildProcessHandle, E, R>
): Effect.Effect<readonly [ChildProcessHandle, CloseOutputs], E, R> =>
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
        return [handle, () => closeOutputs(process)] as const
      }),
      Effect.sync(() => unsubscribe(channel, note))
    )
  })

const closeOutputs = (process: ChildProcess | undefined): void => {
  for (const output of [process?.stdout, process?.stderr]) output?.destroy()
}
