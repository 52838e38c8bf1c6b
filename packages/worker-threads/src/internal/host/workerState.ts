/**
 * The states of a worker, as known to the host, and the events between states.
 *
 * A worker moves from `Starting` over `Attaching` to `Ready`. In each of these states a worker can be closed, fail or
 * be killed. A closing worker can still be killed. Every worker ends as `Gone`, which is final.
 */
import type * as CancelReason from "@quiesce/core/CancelReason"

/** `Task` stands for a task of the worker. */
export type State<Task> =
  /** `startTimer` fails the worker if it is not ready in time. */
  | { readonly _tag: "Starting"; readonly startTimer: NodeJS.Timeout }
  /** The worker is ready; the host is still connecting to its inspector. */
  | { readonly _tag: "Attaching" }
  | { readonly _tag: "Ready" }
  /** The worker was asked to end by itself. */
  | { readonly _tag: "Closing" }
  /** The worker is unusable and is about to end. */
  | { readonly _tag: "Failing" }
  /** The worker has sent data outside the protocol and is about to end. Nothing that it sends counts from now on. */
  | { readonly _tag: "Refused" }
  /** The worker was terminated because of these tasks, each with the reason of its kill. */
  | { readonly _tag: "Killed"; readonly reasons: ReadonlyMap<Task, CancelReason.CancelReason> }
  | { readonly _tag: "Gone" }

export type Event<Task> =
  /** The worker has sent `Ready`. */
  | { readonly _tag: "Announced" }
  /** The inspector is connected, or can't be. */
  | { readonly _tag: "Attached" }
  | { readonly _tag: "Closed" }
  | { readonly _tag: "Failed" }
  /** The worker has sent data outside the protocol. */
  | { readonly _tag: "Refused" }
  | { readonly _tag: "Killed"; readonly task: Task; readonly reason: CancelReason.CancelReason }
  | { readonly _tag: "Exited" }

/** The state after an event: the same object if the event changes nothing. */
export const next = <Task>(state: State<Task>, event: Event<Task>): State<Task> => {
  switch (event._tag) {
    case "Announced":
      return state._tag === "Starting" ? { _tag: "Attaching" } : state
    case "Attached":
      return state._tag === "Attaching" ? { _tag: "Ready" } : state
    case "Closed":
      return isLive(state) ? { _tag: "Closing" } : state
    case "Failed":
      return isLive(state) ? { _tag: "Failing" } : state
    case "Refused":
      return isLive(state) || state._tag === "Failing" ? { _tag: "Refused" } : state
    case "Killed":
      return killed(state, event.task, event.reason)
    case "Exited":
      return state._tag === "Gone" ? state : { _tag: "Gone" }
  }
}

const killed = <Task>(state: State<Task>, task: Task, reason: CancelReason.CancelReason): State<Task> => {
  if (state._tag === "Failing" || state._tag === "Refused" || state._tag === "Gone") return state
  const before = state._tag === "Killed" ? state.reasons : []
  return { _tag: "Killed", reasons: new Map([...before, [task, reason]]) }
}

/** Whether the worker is not yet ready. */
export const isStarting = <Task>({ _tag }: State<Task>): boolean => _tag === "Starting" || _tag === "Attaching"

/** Whether the worker runs and nothing has asked it to end. */
export const isLive = <Task>(state: State<Task>): boolean => isStarting(state) || state._tag === "Ready"

/** Why the worker has ended, if neither the worker nor the host has given a cause. */
export const likelyProblem = <Task>(state: State<Task>, wasReady: boolean, nameOf: (task: Task) => string): string => {
  if (state._tag === "Killed") {
    const kills = Array.from(state.reasons, ([task, { message }]) => `"${nameOf(task)}" (${message})`)
    return `it was killed to end ${kills.join(" and ")}`
  }
  return wasReady
    ? "it called process.exit, closed the pool's port, or was ended from outside"
    : "it ended before it was ready"
}
