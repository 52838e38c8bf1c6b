/** Whether a thread was killed itself. A thread that has joined a killed thread has the same annotation in its Cause. */
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as ForcedEnd from "../ForcedEnd.ts"
import type { ThreadNode } from "./threadNode.ts"
import * as State from "./threadState.ts"

export const isIn = (exit: Exit.Exit<unknown, unknown>, { state }: ThreadNode): boolean =>
  State.rungOf(state) === "kill" && Option.isSome(ForcedEnd.fromExit(exit))
