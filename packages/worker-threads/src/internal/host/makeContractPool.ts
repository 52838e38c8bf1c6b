/**
 * Makes the pool of a contract. `WorkerPool` loads this module when its first pool is made, because a worker imports the
 * package as well: without the host's part, which is more than a third of its modules, a worker starts earlier.
 */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as Rpc from "effect/rpc/Rpc"
import type * as Scope from "effect/Scope"
import type * as WorkerError from "../../WorkerError.ts"
import * as ClientMiddleware from "./clientMiddleware.ts"
import { ContractPool } from "./contractPool.ts"
import { defaultEscalation } from "./defaultEscalation.ts"
import { openContractPool } from "./openContractPool.ts"
import type * as PoolOptions from "./poolOptions.ts"
import { TypeId } from "./poolTypeId.ts"

/** `WorkerPool` checks the contract's types. */
class Pool extends ContractPool {
  readonly [TypeId]: (_: never) => never = identity
}

export const make = (
  requests: ReadonlyMap<string, Rpc.Any>,
  options: PoolOptions.Options
): Effect.Effect<ContractPool, WorkerError.WorkerError, Scope.Scope> =>
  Effect.gen(function* () {
    const through = yield* ClientMiddleware.of(requests, yield* Effect.context<never>())
    const opened = yield* openContractPool(options, Array.from(requests.keys()))
    return new Pool(requests, opened, options.escalation ?? defaultEscalation, through)
  })
