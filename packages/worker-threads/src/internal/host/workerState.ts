/** Where a worker is on its way, as the host knows it. It only goes on, and from `Starting` to `Ready` in this order. */
import type * as CancelReason from "@quiesce/core/CancelReason"
import type { RemoteTask } from "./remoteTask.ts"

export type State =
  | { readonly _tag: "Starting"; readonly startTimer: NodeJS.Timeout }
  /** It is ready; the inspector's line to it is not yet open. */
  | { readonly _tag: "Attaching" }
  | { readonly _tag: "Ready" }
  | { readonly _tag: "Closing" }
  /** It has done what makes it unusable, and is about to end. */
  | { readonly _tag: "Failing" }
  /** It was terminated for these of its tasks, each with its reason. */
  | { readonly _tag: "Killed"; readonly reasons: Map<RemoteTask, CancelReason.CancelReason> }
  | { readonly _tag: "Gone" }

/** Why it has ended, where nobody has said. */
export const guess = (state: State, wasReady: boolean): string => {
  if (state._tag === "Killed") return "it was killed"
  return wasReady
    ? "it called process.exit, closed the pool's port, or was ended from outside"
    : "it ended before it was ready"
}
