/**
 * A semaphore in shared memory: a number of permits for all threads of the process, given out strictly in the order in
 * which they were asked for. A request for many is not overtaken by later ones for few.
 *
 * Fibers wait for it without stopping their thread, synchronous code by stopping it. When a thread dies that holds
 * permits, they are free again and the next one to get any is told; unlike a `SharedMutex`, a semaphore stays usable
 * whatever that one does. `SharedMutex.threadDied` serves semaphores, too.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { hasProperty } from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Lock from "./internal/locks/acquire.ts"
import * as Memory from "./internal/locks/memory.ts"
import * as Registry from "./internal/locks/registry.ts"
import { type Hold, invalid } from "./internal/locks/request.ts"
import type * as WorkerError from "./WorkerError.ts"

const TypeId = "~@quiesce/worker-threads/SharedSemaphore"

/**
 * A semaphore. It is plain data: send it to another thread as it is. `name` is what ledgers, dumps and errors call it.
 *
 * @category models
 * @since 0.1.0
 */
export interface SharedSemaphore {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  readonly buffer: SharedArrayBuffer
}

/**
 * What holding permits gives. `ownerDied` says that a thread has died that held some, and that nobody was told before.
 *
 * @category models
 * @since 0.1.0
 */
export interface Guard {
  readonly permits: number
  readonly ownerDied: boolean
}

/**
 * The same for synchronous code, which has to `release` it, or to bind it with `using`. A second `release` does nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface GuardSync extends Guard, Disposable {
  readonly release: () => void
}

/**
 * How a semaphore is made: its number of permits, a positive integer, and what it is called.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly permits: number
  readonly name?: string | undefined
}

/**
 * How synchronous code waits: at most for `timeout` (default: without limit), and until `token` says interrupted
 * (looked at each 10 ms).
 *
 * @category models
 * @since 0.1.0
 */
export type SyncOptions = Lock.SyncOptions

/**
 * The state of a semaphore: how many permits are free, and how many requests hold some and wait.
 *
 * @category models
 * @since 0.1.0
 */
export interface Status {
  readonly free: number
  readonly held: number
  readonly waiting: number
}

/**
 * Makes a semaphore, for up to 64 threads and 128 requests at a time. Fails with `InvalidOption`.
 * Make it in a thread above all that use it, as for a `SharedMutex`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<SharedSemaphore, WorkerError.WorkerError> =>
  Lock.attempt(() => makeUnsafe(options))

/**
 * Makes a semaphore at once, where there is no Effect to do it in. Throws what `make` fails with.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (options: Options): SharedSemaphore => {
  const { permits } = options
  if (!Number.isInteger(permits) || permits < 1 || permits > maxPermits) {
    throw invalid("permits", `${permits} is not a number of permits; give an integer from 1 to ${maxPermits}`)
  }
  const buffer = Memory.make(permits)
  const semaphore: SharedSemaphore = { [TypeId]: TypeId, name: options.name ?? "SharedSemaphore", buffer }
  Registry.open(buffer)
  return semaphore
}

const maxPermits: number = 2 ** 31 - 1

/**
 * Whether a value is a semaphore, also one that has come from another thread.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSharedSemaphore = (u: unknown): u is SharedSemaphore =>
  hasProperty(u, TypeId) && hasProperty(u, "buffer") && Memory.isLockBuffer(u.buffer)

/**
 * The Schema of a semaphore, for the payloads of a contract. It encodes to itself, as structured clone copies it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SharedSemaphore: Schema.declare<SharedSemaphore> = Schema.declare(isSharedSemaphore, {
  identifier: "SharedSemaphore"
})

/**
 * Takes permits (default: one) and holds them until the scope closes, as a lease named after the semaphore. Fails with
 * `InvalidOption` if there are not that many, and with `LockFull`.
 *
 * *Cancellation*: while waiting, the request is withdrawn, as if it had never been made; one that was granted in that
 * moment goes on to the next. Once held, permits are released by the scope. While a fiber waits, its thread stays alive.
 *
 * @category taking
 * @since 0.1.0
 */
export const take = (
  semaphore: SharedSemaphore,
  permits = 1
): Effect.Effect<Guard, WorkerError.WorkerError, Scope.Scope> =>
  Effect.map(Lock.acquire(semaphore, { permits, strict: false }), guardOf(permits))

const guardOf =
  (permits: number) =>
  (hold: Hold): Guard => ({ permits, ownerDied: hold.ownerDied })

/**
 * Takes permits for the scope if they are free and nobody waits for any.
 *
 * @category taking
 * @since 0.1.0
 */
export const tryTake = (
  semaphore: SharedSemaphore,
  permits = 1
): Effect.Effect<Option.Option<Guard>, WorkerError.WorkerError, Scope.Scope> =>
  Effect.map(Lock.acquireNow(semaphore, { permits, strict: false }), Option.map(guardOf(permits)))

/**
 * Runs an effect while holding permits (default: one).
 *
 * *Cancellation*: as with `take`; the permits are released after the finalizers of the effect.
 *
 * @category taking
 * @since 0.1.0
 */
export const withPermits =
  (semaphore: SharedSemaphore, permits = 1) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | WorkerError.WorkerError, R> =>
    Effect.scopedWith((scope) =>
      Effect.andThen(Effect.provideService(take(semaphore, permits), Scope.Scope, scope), effect)
    )

/**
 * Takes permits (default: one) in synchronous code: stops this thread, with all its fibers, until it has them. Throws
 * a `WorkerError`: `LockTimedOut`, `LockFull`, `InvalidOption`, or `WouldBlockForever` where this very thread holds, or
 * is to get first, so many that the others can't release enough.
 *
 * *Cancellation*: by the timeout, the token, or the end of the section by force; the request is withdrawn.
 *
 * *Gotchas*: a host that waits so can't hear that a worker has died. Let it wait in fibers, or give it a timeout.
 *
 * @category taking
 * @since 0.1.0
 */
export const takeSync = (semaphore: SharedSemaphore, permits = 1, options?: SyncOptions): GuardSync => {
  const hold = Lock.acquireSync(semaphore, { permits, strict: false }, options)
  return {
    ...guardOf(permits)(hold),
    release: () => hold.release(),
    [Symbol.dispose]: () => hold.release()
  }
}

/**
 * The state of a semaphore at this moment.
 *
 * @category observing
 * @since 0.1.0
 */
export const status = (semaphore: SharedSemaphore): Effect.Effect<Status, WorkerError.WorkerError> =>
  Effect.map(Lock.status(semaphore), ({ free, held, waiting }) => ({ free, held, waiting }))
