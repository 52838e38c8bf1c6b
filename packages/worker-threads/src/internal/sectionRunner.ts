/** Where a task's sections run. */
import * as Blocking from "@quiesce/core/Blocking"
import * as Context from "effect/Context"
import type { ControlBlock } from "./controlBlock.ts"

/** The slot of the task that a fiber is part of; -1 outside tasks. */
export const CurrentSlot: Context.Reference<number> = Context.Reference<number>("@quiesce/worker-threads/CurrentSlot", {
  defaultValue: () => -1
})

export const makeRunner = (_control: ControlBlock): Blocking.Runner =>
  Context.get(Context.empty(), Blocking.CurrentRunner)

export const CurrentTask = { unwound: (_run: number): void => {} }
