/** The task that a fiber in a worker belongs to. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as WorkerError from "../../WorkerError.ts"
import type { TaskCodec } from "./wire.ts"
import type { EncodedExit } from "./message.ts"

/** Asks the host of this worker to acquire leases for one task. The current scope releases them. */
export interface Broker {
  readonly acquire: (codec: TaskCodec, payload: unknown) => Effect.Effect<unknown, unknown, Scope.Scope>
  /** Asks on behalf of a worker of this worker. Payload and exit pass through here in encoded form. */
  readonly forward: (name: string, payload: unknown) => Effect.Effect<EncodedExit, WorkerError.WorkerError, Scope.Scope>
}

/** The part of a task that its code needs. */
export interface Task {
  readonly id: number
  /** The task's row of the control block. After the task's end, the row belongs to another task. */
  readonly slot: number
  /** Acquires host leases for the task. */
  readonly broker: Broker
}

/** Undefined outside tasks. */
export const Current: Context.Reference<Task | undefined> = Context.Reference<Task | undefined>(
  "@quiesce/worker-threads/CurrentTask",
  { defaultValue: () => undefined }
)
