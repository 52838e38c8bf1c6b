/** How a pool's reasons, raised errors and exits cross between host and worker. */
import type * as CancelReason from "@quiesce/core/CancelReason"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { EncodedExit } from "./message.ts"
import type { Problem, TaskCodec } from "./wire.ts"

export interface Transferred {
  readonly payload: unknown
  readonly transfers: ReadonlyArray<unknown>
}

/** Pools with a contract use Schemas. Pools of plain functions load none. */
export interface Dialect {
  readonly reasonToWire: (reason: CancelReason.CancelReason) => unknown
  readonly errorToWire: (error: unknown) => unknown
  /** An equal payload whose large part is transferred; undefined for a payload that is cloned. */
  readonly transferred: (payload: unknown) => Transferred | undefined
  /** Fails if the exit does not fit the task. */
  readonly exitFromWire: (codec: TaskCodec, encoded: EncodedExit) => Effect.Effect<Exit.Exit<unknown, unknown>, Problem>
}
