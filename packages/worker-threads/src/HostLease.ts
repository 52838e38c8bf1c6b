/**
 * A resource that a worker asks its host to acquire and to keep: a temporary folder, a lock file, a child process. The
 * host releases it however the worker's thread ends: by success, failure, interrupt, unwind, kill or crash.
 *
 * Host and worker share a module that declares the lease. The host passes a handler for it to `WorkerPool.make`. A
 * worker can ask for no other lease.
 *
 * A worker may have a pool of its own. A request of its workers goes to the nearest pool above that has a handler. If
 * only the main thread's pool has one, the main thread keeps the lease for its own task, and the lease survives the
 * death of a worker in between. A lease that a handler in a worker acquires ends with that worker, unless the handler
 * itself asks its host. A worker reaches only the leases of its own tasks, by its own numbers.
 *
 * @since 0.1.0
 */
import { textOf } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as DeclaredLease from "./internal/leases/declaredLease.ts"
import * as TaskHandlers from "./internal/leases/taskHandlers.ts"
import * as Codec from "./internal/wire/codec.ts"
import * as CurrentTask from "./internal/wire/currentTask.ts"
import { wrongArgument } from "./internal/wire/wrongArgument.ts"
import * as WorkerError from "./WorkerError.ts"

/**
 * A declared lease: its payload, its value and the errors of acquiring it.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type HostLease<P, A, E> = DeclaredLease.DeclaredLease<P, A, E>

/**
 * How a host acquires a lease. The compiler checks the contract's types where the handler is made.
 *
 * @stability unstable
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
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = <P, A, E = never>(options: {
  readonly name: string
  readonly payload: Schema.Codec<P, unknown>
  readonly success: Schema.Codec<A, unknown>
  readonly error?: Schema.Codec<E, unknown> | undefined
}): HostLease<P, A, E> => {
  const wrong = wrongPart(options)
  if (wrong !== undefined) throw wrong
  const { error = Schema.Never, name, payload, success } = options
  return DeclaredLease.declare(Codec.make(name, { payload, success, error }))
}

/**
 * Defines how the host acquires a lease. The resources in the scope of `acquire` are released when the worker's scope
 * closes, and otherwise when the task ends, the latest first. They see the exit of that scope or task. Throws a
 * `WorkerError` for a value that is no lease or no function.
 *
 * *Cancellation*: `acquire` is interrupted when the worker cancels its request or has ended.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const handler = <P, A, E>(
  lease: HostLease<P, A, E>,
  acquire: (payload: P) => Effect.Effect<A, E, Scope.Scope>
): Handler => {
  if (!DeclaredLease.isDeclared(lease)) throw notDeclared("HostLease.handler", lease)
  if (typeof acquire !== "function") {
    const problem = `${textOf(acquire)} is not a function; give (payload) => an Effect that acquires the resource`
    throw WorkerError.make({ _tag: "InvalidOption", option: `HostLease.handler's acquire of "${lease.name}"`, problem })
  }
  return {
    name: lease.name,
    // Only the codec is used from here on, and it has decoded the payload that `acquire` gets.
    lease: lease as unknown as Handler["lease"],
    acquire: acquire as Handler["acquire"],
    isKept: true
  }
}

/**
 * Defines how the host answers a question of its workers. As `handler`, but the host keeps nothing, so that no report names
 * the lease.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const answer = <P, A, E>(lease: HostLease<P, A, E>, f: (payload: P) => Effect.Effect<A, E>): Handler => ({
  ...handler(lease, f),
  isKept: false
})

/**
 * Lets the tasks that an effect starts in a `WorkerPool` ask for leases beside those of the pool. A handler can so know the
 * task that it serves. A lease of the pool with the same name is not used.
 *
 * ```ts
 * const thread = yield* pool.spawn("Encode", "a.mp4").pipe(HostLease.provide([HostLease.handler(Folder, folderOf("a.mp4"))]))
 * ```
 *
 * @stability unstable
 * @category combinators
 * @since 0.1.0
 */
export const provide: {
  (handlers: ReadonlyArray<Handler>): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, handlers: ReadonlyArray<Handler>): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, handlers: ReadonlyArray<Handler>): Effect.Effect<A, E, R> =>
  Array.isArray(handlers) && Effect.isEffect(self)
    ? Effect.provideService(self, TaskHandlers.Current, handlers)
    : Effect.die(
        Array.isArray(handlers)
          ? wrongArgument("HostLease.provide's effect", self, "an Effect")
          : wrongArgument("HostLease.provide's handlers", handlers, "a list of handlers; give [HostLease.handler(...)]")
      )
)

/** The first part of a lease's contract that is wrong. */
const wrongPart = (options: unknown): WorkerError.WorkerError | undefined => {
  if (typeof options !== "object" || options === null)
    return wrongArgument("HostLease.make's options", options, "an object; give { name, payload, success }")
  const { error = Schema.Never, name, payload, success } = options as Readonly<Record<string, unknown>>
  if (typeof name !== "string") return wrongArgument("HostLease.make's name", name, "a text")
  const wrong = Object.entries({ payload, success, error }).find(([, part]) => !Schema.isSchema(part))
  return wrong && wrongArgument(`HostLease.make's ${wrong[0]}`, wrong[1], "a Schema; give one such as Schema.Void")
}

const notDeclared = (operation: string, given: unknown): WorkerError.WorkerError =>
  WorkerError.make({
    _tag: "InvalidOption",
    option: `${operation}'s lease`,
    problem: `${textOf(given)} is not a declared lease; declare one with HostLease.make`
  })

/**
 * In a task of a pool: asks the host to acquire a lease and to keep it until the current scope closes. The scope waits
 * for the release, so the lease is released in order with the worker's own leases. A failed release is a defect of the
 * scope.
 *
 * Fails with `LeaseRefused`, `NotSendable` and `BadReply`. A call outside a task, or of a lease for which no pool above has
 * a handler, is a defect.
 *
 * *Gotchas*: if the lease crosses more than one thread, payload and value must be cloneable. A value that has to be
 * transferred, such as a port, is refused.
 *
 * *Cancellation*: the host stops acquiring and keeps nothing. The caller waits for that.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const acquire = <P, A, E>(
  lease: HostLease<P, A, E>,
  payload: P
): Effect.Effect<A, E | WorkerError.WorkerError, Scope.Scope> =>
  Effect.withFiber((fiber) => {
    if (!DeclaredLease.isDeclared(lease)) return Effect.die(notDeclared("HostLease.acquire", lease))
    const task = fiber.getRef(CurrentTask.Current)
    if (task === undefined) {
      const problem = "HostLease.acquire was called outside a task of a pool"
      return Effect.die(WorkerError.make({ _tag: "UnknownLease", lease: lease.name, problem }))
    }
    // The codec of a lease decodes values of the lease's types.
    return task.broker.acquire(DeclaredLease.codecOf(lease), payload) as Effect.Effect<
      A,
      E | WorkerError.WorkerError,
      Scope.Scope
    >
  })
