/** How a pool's reasons, raised errors and exits cross between host and worker. */
import type * as CancelReason from "@quiesce/core/CancelReason"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { EncodedExit } from "./message.ts"
import type { Problem, TaskCodec } from "./wire.ts"

/** Pools with a contract use Schemas. Pools of plain functions load none. */
export interface Dialect {
  readonly reasonToWire: (reason: CancelReason.CancelReason) => unknown
  readonly errorToWire: (error: unknown) => unknown
  /** Fails if the exit does not fit the task. */
  readonly exitFromWire: (codec: TaskCodec, encoded: EncodedExit) => Effect.Effect<Exit.Exit<unknown, unknown>, Problem>
}
