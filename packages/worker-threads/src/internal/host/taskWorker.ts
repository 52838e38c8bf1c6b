/** The worker of a task, as the task sees it. */
import type * as CancelReason from "@quiesce/core/CancelReason"
import type { UnwindOutcome } from "@quiesce/core/adapter"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { Allowance } from "../leases/allowance.ts"
import type { Unwind } from "../wire/handshake.ts"
import type { ToWorker } from "../wire/message.ts"

/** The part of a worker that a task needs. A slot is the task's row of the control block. */
export interface TaskWorker<Task> {
  /** The number that Node gives to the worker. */
  readonly threadId: number
  /** Sends a message at the end of the turn. */
  readonly send: (message: ToWorker) => void
  /** Sends a message at once. Throws if the message can't be cloned. */
  readonly sendNow: (message: ToWorker, transfers: ReadonlyArray<unknown>) => void
  /** `reason` is encoded. */
  readonly stop: (id: number, slot: number, reason: unknown) => void
  readonly interrupt: (id: number, slot: number, reason: unknown) => void
  /** Ends the code that a task runs, as far as `unwind` says. None if there is no inspector. */
  readonly unwinder: Option.Option<(id: number) => Effect.Effect<UnwindOutcome>>
  /** The code that can be ended in the worker. */
  readonly unwind: Unwind
  readonly kill: (task: Task, reason: CancelReason.CancelReason) => Effect.Effect<void>
  readonly locate: Effect.Effect<Option.Option<string>>
  /** How many leases the worker's tasks may still have. */
  readonly allowance: Allowance
  /** Ends the worker, because it has broken the protocol. */
  readonly refuse: (problem: string) => void
  /** Frees the slot. */
  readonly taskEnded: (task: Task, slot: number) => void
}
