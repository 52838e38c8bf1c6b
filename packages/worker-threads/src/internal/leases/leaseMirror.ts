/**
 * Reports the leases of a worker's tasks to the host.
 *
 * Invariant: `LeaseHeld` is sent before the holder of the lease goes on, and `LeaseEnded` when the release has ended.
 * The host therefore knows the leases that are lost with the worker.
 */
import type { Thread } from "@quiesce/core/Thread"
import * as ThreadAdapter from "@quiesce/core/adapter"
import type { ToHost } from "../wire/message.ts"
import type { Outbox } from "../wire/outbox.ts"

type AnyThread = Thread<unknown, unknown>

/** The part of a task that the mirror needs. */
export interface Holder {
  readonly id: number
  readonly thread: AnyThread | undefined
  /** Set by the first lease. */
  hasSentMessage: boolean
}

/** The host's name of a lease. */
interface Mirrored {
  readonly id: number
  readonly lease: number
}

/** Reports the leases of the threads below `parent`: the threads of `tasks` and their descendants. */
export const mirrorLeases = (outbox: Outbox<ToHost>, parent: AnyThread, tasks: Iterable<Holder>): void => {
  const leases = new Map<object, Mirrored>()
  let last = 0
  ThreadAdapter.observeLeases(parent, {
    entered: (lease, name, holder, { keptBy }) => {
      const task = keptBy === "host" ? undefined : taskOf(tasks, holder)
      if (task === undefined) return
      task.hasSentMessage = true
      const mirrored = { id: task.id, lease: ++last }
      leases.set(lease, mirrored)
      outbox.putNow({ _tag: "LeaseHeld", ...mirrored, name })
    },
    settled: (lease, fate, error) => {
      const mirrored = leases.get(lease)
      leases.delete(lease)
      // Sent at once: later code in this turn may block for ever, and a released lease must not count as lost.
      if (mirrored !== undefined) outbox.putNow({ _tag: "LeaseEnded", ...mirrored, fate, error })
    }
  })
}

/** The task whose thread is the holder or an ancestor of the holder. */
const taskOf = (tasks: Iterable<Holder>, holder: AnyThread): Holder | undefined => {
  for (let thread: AnyThread | undefined = holder; thread !== undefined; thread = thread.parent) {
    for (const task of tasks) if (task.thread === thread) return task
  }
  return undefined
}
