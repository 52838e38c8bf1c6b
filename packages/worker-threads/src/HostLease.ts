/**
 * A resource that a worker asks its host to acquire and to keep: a temporary folder, a lock file, a child process. The
 * host releases it however the worker's thread ends: by success, failure, interrupt, unwind, kill or crash.
 *
 * A lease is declared in a module that host and worker share. The host says in `WorkerPool.make` how it is acquired,
 * and a worker can ask for nothing else.
 *
 * A worker may have a pool of its own. What its workers ask for goes to the nearest pool above that has a handler for
 * it; so if just the main thread's pool has one, the main thread keeps it, for the task of its own that all of this is
 * part of, and nothing is lost if a worker in between dies. What a handler in a worker acquires ends with that worker,
 * unless that in its turn asks its host for it. A worker reaches only the leases of its own tasks, by its own numbers.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as DeclaredLease from "./internal/leases/declaredLease.ts"
import * as Codec from "./internal/wire/codec.ts"
import * as CurrentTask from "./internal/wire/currentTask.ts"
import * as WorkerError from "./WorkerError.ts"

/**
 * A declared lease: its payload, its value, and the errors of its acquiring.
 *
 * @category models
 * @since 0.1.0
 */
export type HostLease<P, A, E> = DeclaredLease.DeclaredLease<P, A, E>

/**
 * How a host acquires a lease. The compiler checked the types of the contract where the handler was made.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler = DeclaredLease.Handler

/**
 * Declares a lease.
 *
 * ```ts
 * import { HostLease } from "@quiesce/worker-threads"
 * import { Schema } from "effect"
 *
 * // In the contract.
 * export const TempFolder = HostLease.make({ name: "TempFolder", payload: Schema.String, success: Schema.String })
 * // On the host: WorkerPool.make(Tasks, { spawn, hostLeases: [HostLease.handler(TempFolder, makeTempFolder)] })
 * // In a task: const path = yield* HostLease.acquire(TempFolder, "index-")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <P, A, E = never>(options: {
  readonly name: string
  readonly payload: Schema.Codec<P, unknown>
  readonly success: Schema.Codec<A, unknown>
  readonly error?: Schema.Codec<E, unknown> | undefined
}): HostLease<P, A, E> => {
  const { error = Schema.Never, name, payload, success } = options
  return DeclaredLease.declare(Codec.make(name, { payload, success, error }))
}

/**
 * Says how the host acquires a lease. What `acquire` puts into its scope is released when the worker's scope closes
 * that asked for it, or else when the task ends, the latest first; the scope's exit says how that ended.
 *
 * *Cancellation*: `acquire` is interrupted when the worker does not want it any more, or has ended.
 *
 * @category constructors
 * @since 0.1.0
 */
export const handler = <P, A, E>(
  lease: HostLease<P, A, E>,
  acquire: (payload: P) => Effect.Effect<A, E, Scope.Scope>
): Handler => ({
  name: lease.name,
  // Only its codec is used from here on; the payload has been decoded by it when `acquire` gets it.
  lease: lease as unknown as Handler["lease"],
  acquire: acquire as Handler["acquire"]
})

/**
 * In a task of a pool: has the host acquire a lease and keep it until the current scope closes. Its release is waited
 * for, so that it has its place among those of the worker's own leases; if it fails, that is a defect of the scope.
 *
 * Fails with `LeaseRefused` for a lease that the options of no pool above name or outside any task, with `NotSendable`
 * and with `BadReply`.
 *
 * *Gotchas*: past one thread, payload and value must be cloneable; what has to be transferred, as a port, is refused.
 *
 * *Cancellation*: while the host acquires, it is told to stop, and nothing is kept. That is waited for.
 *
 * @category constructors
 * @since 0.1.0
 */
export const acquire = <P, A, E>(
  lease: HostLease<P, A, E>,
  payload: P
): Effect.Effect<A, E | WorkerError.WorkerError, Scope.Scope> =>
  Effect.withFiber((fiber) => {
    const task = fiber.getRef(CurrentTask.Current)
    if (task === undefined) {
      const problem = "HostLease.acquire was called outside a task of a pool"
      return Effect.fail(WorkerError.make({ _tag: "LeaseRefused", lease: lease.name, problem }))
    }
    // What the codec of a lease decodes is of the lease's types.
    return task.broker.acquire(DeclaredLease.codecOf(lease), payload) as Effect.Effect<
      A,
      E | WorkerError.WorkerError,
      Scope.Scope
    >
  })
