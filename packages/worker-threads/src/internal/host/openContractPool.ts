/** Opens the workers of a pool with a contract, whose host leases and values have Schemas. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as WorkerError from "../../WorkerError.ts"
import { type HostLeases, leasesOf } from "../leases/leaseKeeper.ts"
import { type OpenedPool, openPool } from "./openPool.ts"
import type * as PoolOptions from "./poolOptions.ts"

/** Only the tasks in `names` can use the rings. */
export const openContractPool = (
  options: PoolOptions.Options,
  names: ReadonlyArray<string>
): Effect.Effect<OpenedPool<HostLeases>, WorkerError.WorkerError, Scope.Scope> => openPool(options, names, leasesOf)
