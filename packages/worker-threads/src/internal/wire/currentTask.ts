/** The task of a worker that a fiber is part of. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as WorkerError from "../../WorkerError.ts"
import type { TaskCodec } from "./codec.ts"
import type { EncodedExit } from "./message.ts"

/** Asks the host of this worker to acquire leases for one task. The current scope releases them. */
export interface Broker {
  readonly acquire: (codec: TaskCodec, payload: unknown) => Effect.Effect<unknown, unknown, Scope.Scope>
  /** Asks for a worker of this worker. The payload and the exit pass through here in their encoded form. */
  readonly forward: (name: string, payload: unknown) => Effect.Effect<EncodedExit, WorkerError.WorkerError, Scope.Scope>
}

/** What the code of a task needs of it. */
export interface Task {
  readonly id: number
  /** Its row of the control block, which is another's when it has ended. */
  readonly slot: number
  /** What the host keeps for it. */
  readonly broker: Broker
}

/** Undefined outside tasks. */
export const Current: Context.Reference<Task | undefined> = Context.Reference<Task | undefined>(
  "@quiesce/worker-threads/CurrentTask",
  { defaultValue: () => undefined }
)
