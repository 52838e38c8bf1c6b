/** The states of a task on the host. */
import type { TaskWorker } from "./taskWorker.ts"

/** Where a task is. */
export type State<Task> =
  | { readonly _tag: "Queued"; readonly dequeue: () => void }
  | { readonly _tag: "Running"; readonly worker: TaskWorker<Task>; readonly slot: number }
  | { readonly _tag: "Ended" }
  | { readonly _tag: "NeverStarted" }

export const over: Extract<State<never>, { readonly _tag: "Ended" }> = { _tag: "Ended" }
export const neverStarted: Extract<State<never>, { readonly _tag: "NeverStarted" }> = { _tag: "NeverStarted" }

export const isOver = <Task>(
  state: State<Task>
): state is Extract<State<Task>, { readonly _tag: "Ended" | "NeverStarted" }> =>
  state._tag === "Ended" || state._tag === "NeverStarted"

export const unassigned: Extract<State<never>, { readonly _tag: "Queued" }> = { _tag: "Queued", dequeue: () => {} }
