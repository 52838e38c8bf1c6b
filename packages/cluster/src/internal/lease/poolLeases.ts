/**
 * Leases and checked writes in the workers of a pool. A worker asks the runner, by host leases of the pool. The runner knows
 * which thread asks, because each thread has handlers of its own.
 *
 * The package of the pool is an optional peer. A body in a worker has it.
 */
import type * as HostLease from "@quiesce/worker-threads/HostLease"
import { messageOf } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as ClusterError from "../../ClusterError.ts"
import type { ClusterThread } from "./currentClusterThread.ts"
import { enterScoped } from "./entering.ts"
import type { Kind } from "./keepers.ts"

type Module = typeof HostLease

const load: Effect.Effect<Module, unknown> = Effect.tryPromise(() => import("@quiesce/worker-threads/HostLease"))

/** The reason of a `ClusterError` as JSON. */
const Refusal = Schema.Json

const leaseOf = (module: Module, { name, payload, value }: Kind) =>
  module.make({ name, payload, success: value, error: Refusal })

const Identity = Schema.Struct({ id: Schema.String, token: Schema.Number })

const question = (module: Module) =>
  module.make({ name: "@quiesce/cluster/thread", payload: Schema.Void, success: Identity })

/** The handlers of one thread, for `HostLease.provide`. */
export const handlersOf = (module: Module, thread: ClusterThread): ReadonlyArray<HostLease.Handler> => [
  module.answer(question(module), () => Effect.succeed({ id: thread.id, token: thread.token })),
  ...thread.keepers.all.map((keeper) =>
    module.handler(leaseOf(module, keeper.kind), (payload) =>
      // A reason is plain data.
      Effect.mapError(enterScoped(thread, keeper, payload), ({ reason }) => reason as Schema.Json)
    )
  )
]

/** In a worker: acquires a lease in the current scope. */
export const acquire = (kind: Kind, payload: unknown): Effect.Effect<unknown, ClusterError.ClusterError, Scope.Scope> =>
  asking("ClusterLease.acquire", (module) => module.acquire(leaseOf(module, kind), payload), kind.name)

/** In a worker: the id and the token of the thread. */
export const identity = (operation: string): Effect.Effect<typeof Identity.Type, ClusterError.ClusterError> =>
  Effect.scoped(asking(operation, (module) => module.acquire(question(module), undefined), "thread"))

const asking = <A>(
  operation: string,
  ask: (module: Module) => Effect.Effect<A, unknown, Scope.Scope>,
  lease: string
): Effect.Effect<A, ClusterError.ClusterError, Scope.Scope> => {
  const outside = Effect.die(ClusterError.make({ _tag: "NotInThread", operation }))
  return Effect.matchEffect(load, {
    onFailure: () => outside,
    onSuccess: (module) =>
      ask(module).pipe(
        Effect.mapError((error) => refusalOf(error, lease)),
        Effect.catchDefect((defect) => (isUnknown(defect) ? outside : Effect.die(defect)))
      )
  })
}

/** No host answers such questions. */
const isUnknown = (defect: unknown): boolean =>
  defect instanceof Error &&
  "reason" in defect &&
  (defect.reason as { readonly _tag?: unknown })._tag === "UnknownLease"

const refusalOf = (error: unknown, lease: string): ClusterError.ClusterError =>
  error instanceof Error
    ? ClusterError.make({ _tag: "KeeperFailed", lease, problem: messageOf(error) })
    : // The runner has sent the reason.
      ClusterError.make(error as ClusterError.ClusterErrorReason)
