/** The handlers of host leases that the tasks of the current fiber have beside those of their pool. */
import * as Context from "effect/Context"
import type { Handler } from "./declaredLease.ts"

export const Current: Context.Reference<ReadonlyArray<Handler>> = Context.Reference<ReadonlyArray<Handler>>(
  "@quiesce/worker-threads/TaskHandlers",
  { defaultValue: () => none }
)

const none: ReadonlyArray<Handler> = []
