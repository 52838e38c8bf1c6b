/** A thread at its client: the request for the thread, and the states. */
import type { RunnerId } from "../wire/runnerId.ts"

/** `onLoss` says whether the body starts again after its runner is gone or has given the thread up. */
export interface Sending {
  readonly name: string
  readonly payload: string
  readonly onLoss: "killed" | "rerun"
}

/**
 * - `Asked`: no runner has said that the thread has started. `hadStarted` is for a thread that starts again
 * - `Started`: `runner` runs the thread
 * - `Settled`: the thread has an exit
 */
export type State =
  | { readonly _tag: "Asked"; readonly hadStarted: boolean }
  | { readonly _tag: "Started"; readonly runner: RunnerId; readonly canUnwind: boolean }
  | { readonly _tag: "Settled"; readonly hadStarted: boolean }

export const asked: State = { _tag: "Asked", hadStarted: false }
