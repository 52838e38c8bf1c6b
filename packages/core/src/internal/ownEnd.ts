/** The end by force of a thread itself. A thread that has joined such a thread has the same annotation in its Cause. */
import * as Option from "effect/Option"
import * as ForcedEnd from "../ForcedEnd.ts"
import type { ThreadNode } from "./threadNode.ts"
import * as State from "./threadState.ts"

/** The end in the exit of a settled thread, if the thread was ended by force. */
export const of = ({ controls, name, state }: ThreadNode): ForcedEnd.ForcedEnd | undefined => {
  const exit = controls.poll()
  const end = exit === undefined ? undefined : Option.getOrUndefined(ForcedEnd.fromExit(exit))
  if (end === undefined) return undefined
  const isOwn = end._tag === "Killed" ? State.rungOf(state) === "kill" : end.thread === name
  return isOwn ? end : undefined
}
