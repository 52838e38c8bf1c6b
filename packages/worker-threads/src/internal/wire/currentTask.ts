/** The task of a worker that a fiber is part of. */
import * as Context from "effect/Context"
import type { HostBroker } from "../leases/leaseBroker.ts"

/** What the code of a task needs of it. */
export interface Task {
  readonly id: number
  /** Its row of the control block, which is another's when it has ended. */
  readonly slot: number
  /** What the host keeps for it. */
  readonly broker: HostBroker
}

/** Undefined outside tasks. */
export const Current: Context.Reference<Task | undefined> = Context.Reference<Task | undefined>(
  "@quiesce/worker-threads/CurrentTask",
  { defaultValue: () => undefined }
)
