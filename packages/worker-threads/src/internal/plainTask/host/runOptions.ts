/** The options of one call of any function. Nothing here loads Effect. */
import { AsyncResource } from "node:async_hooks"
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

/** The same options with a listener that runs in the async context of this call, because reports come with other events. */
export const inContext = <Options extends Pick<RunOptions, "onProgress">>(
  options: Options | undefined
): Options | undefined =>
  typeof options?.onProgress === "function"
    ? { ...options, onProgress: AsyncResource.bind(options.onProgress as (value: unknown) => void) }
    : options
