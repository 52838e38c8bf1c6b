/** Opens the workers of a pool, and closes them with the scope; nothing of them is left then. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as WorkerError from "../../WorkerError.ts"
import * as Unwinding from "../unwind/host/capabilities.ts"
import type { Capabilities } from "../wire/handshake.ts"
import { Crew } from "./dispatcher.ts"
import { HostLeases } from "../leases/leaseKeeper.ts"
import * as PoolOptions from "./poolOptions.ts"

export interface Opened {
  readonly crew: Crew
  readonly capabilities: Capabilities
  readonly hostLeases: HostLeases
}

/** `names` are the tasks that are known before they are asked for. */
export const openCrew = (
  options: PoolOptions.Options,
  names: ReadonlyArray<string>
): Effect.Effect<Opened, WorkerError.WorkerError, Scope.Scope> =>
  Effect.gen(function* () {
    const parsed = yield* PoolOptions.parse(options)
    const capabilities = yield* Unwinding.capabilities
    const context = yield* Effect.context<never>()
    const crew = new Crew(options.spawn, parsed, names, capabilities, context)
    const hostLeases = new HostLeases(options.hostLeases ?? [], context)
    yield* Effect.acquireRelease(
      Effect.onError(crew.open, () => crew.close),
      () => Effect.andThen(crew.close, hostLeases.idle),
      { interruptible: true }
    )
    return { crew, capabilities, hostLeases }
  })
