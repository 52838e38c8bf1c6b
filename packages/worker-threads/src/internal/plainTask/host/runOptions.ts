/** The options of one call of any function. Nothing here loads Effect. */
import type * as Duration from "effect/Duration"
import type { Permissions } from "../../leases/permissions.ts"

export interface RunOptions {
  readonly signal?: AbortSignal | undefined
  readonly runWithin?: Duration.Input | undefined
  readonly priority?: number | undefined
  readonly name?: string | undefined
  readonly transfer?: ReadonlyArray<unknown> | undefined
  readonly onProgress?: ((value: never) => void) | undefined
  readonly leases?: Permissions | undefined
}
