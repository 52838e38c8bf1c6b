/**
 * Reports the leases of a worker's tasks to the host.
 *
 * Invariant: `LeaseHeld` is sent before the holder of the lease goes on, and `LeaseEnded` when the release has ended.
 * The host therefore knows the leases that are lost with the worker.
 */
import type { Thread } from "@quiesce/core/Thread"
import * as ThreadAdapter from "@quiesce/core/adapter"
import { cutName } from "../wire/message.ts"
import type { Carried } from "../wire/ringEntry.ts"

type AnyThread = Thread<unknown, unknown>

/** The part of a task that the mirror needs. */
export interface Holder {
  readonly id: number
  readonly thread: AnyThread | undefined
  /** Sends a message to the host at once. */
  readonly tell: (message: Carried) => void
}

interface Mirrored {
  readonly task: Holder
  /** The host's name of the lease. */
  readonly lease: number
}

/** Reports the leases of the threads below `parent`: the threads of `tasks` and their descendants. */
export const mirrorLeases = (parent: AnyThread, tasks: Iterable<Holder>): void => {
  const leases = new Map<object, Mirrored>()
  let last = 0
  ThreadAdapter.observeLeases(parent, {
    entered: (lease, name, holder, { keptBy }) => {
      const task = keptBy === "host" ? undefined : taskOf(tasks, holder)
      if (task === undefined) return
      leases.set(lease, { task, lease: ++last })
      task.tell({ _tag: "LeaseHeld", id: task.id, lease: last, name: cutName(name) })
    },
    settled: (lease, result, error) => {
      const mirrored = leases.get(lease)
      leases.delete(lease)
      // Sent at once: later code in this turn may block for ever, and a released lease must not count as lost.
      mirrored?.task.tell({ _tag: "LeaseEnded", id: mirrored.task.id, lease: mirrored.lease, result, error })
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
