/**
 * Tells the host what the tasks of a worker hold.
 *
 * Invariants:
 * 1. `LeaseHeld` for a lease is sent before its holder goes on, `LeaseEnded` when its release has ended: the host knows what is
 *    lost with the worker.
 */
import type { Thread } from "@quiesce/core/Thread"
import * as ThreadAdapter from "@quiesce/core/ThreadAdapter"
import type { ToHost } from "../wire/message.ts"
import type { Outbox } from "../wire/outbox.ts"

type AnyThread = Thread<unknown, unknown>

/** A task, as far as its leases go. */
export interface Holder {
  readonly id: number
  readonly thread: AnyThread | undefined
  /** Set from its first lease on. */
  hasSentMessage: boolean
}

/** How a lease is known to the host. */
interface Mirrored {
  readonly id: number
  readonly lease: number
}

/** Tells of the threads below `parent`: those of `tasks`, and what is below them. */
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
      // At once: what comes next may hold up this turn for ever, and what was given back must not count as lost.
      if (mirrored !== undefined) outbox.putNow({ _tag: "LeaseEnded", ...mirrored, fate, error })
    }
  })
}

/** The task that a thread is, or is below of. */
const taskOf = (tasks: Iterable<Holder>, holder: AnyThread): Holder | undefined => {
  for (let thread: AnyThread | undefined = holder; thread !== undefined; thread = thread.parent) {
    for (const task of tasks) if (task.thread === thread) return task
  }
  return undefined
}
