/**
 * A semaphore in shared memory: a number of permits for all threads of the process, given out strictly in the order of
 * the requests. Later requests for few permits do not overtake a request for many.
 *
 * A waiting fiber does not stop its thread; waiting synchronous code does. When a thread dies, its permits are free
 * again, and the next request that is granted gets a report of the death. Unlike a `SharedMutex`, a semaphore always
 * stays usable. `SharedMutex.threadDied` also serves semaphores.
 *
 * @since 0.1.0
 */
import { textOf } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { hasProperty } from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Lock from "./internal/locks/acquire.ts"
import * as Memory from "./internal/locks/memory.ts"
import * as Registry from "./internal/locks/registry.ts"
import { type Hold, invalid, type Kind, nameIn } from "./internal/locks/request.ts"
import { wrongArgument } from "./internal/wire/wrongArgument.ts"
import type * as LockError from "./LockError.ts"

const TypeId = "~@quiesce/worker-threads/SharedSemaphore"

/**
 * A semaphore: plain data that can be sent to another thread. `name` appears in ledgers, dumps and errors.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SharedSemaphore {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  readonly buffer: SharedArrayBuffer
}

/**
 * Held permits. `ownerDied`: a thread died while it held permits, and no other request has the report.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Guard {
  readonly permits: number
  readonly ownerDied: boolean
}

/**
 * Held permits for synchronous code. Call `release`, or bind the guard with `using`. A second `release` does nothing.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface GuardSync extends Guard, Disposable {
  readonly release: () => void
}

/**
 * How a semaphore is made: its number of permits, a positive integer, and its name.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly permits: number
  readonly name?: string | undefined
}

/**
 * How long synchronous code waits: at most for `timeout` (default: no limit), and until `token` is interrupted (checked
 * each 10 ms).
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type SyncOptions = Lock.SyncOptions

/**
 * The state of a semaphore: the number of free permits, of holding requests and of waiting requests.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Status {
  readonly free: number
  readonly held: number
  readonly waiting: number
}

/**
 * Makes a semaphore, for up to 64 threads and 128 requests at a time. A wrong number of permits is a defect. Make
 * it in a thread above all its users, as a `SharedMutex`.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<SharedSemaphore> => Effect.sync(() => makeUnsafe(options))

/**
 * Makes a semaphore at once, outside an Effect. Throws for a wrong number of permits.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (options: Options): SharedSemaphore => {
  const permits: unknown = options?.permits
  if (typeof permits !== "number" || !Number.isInteger(permits) || permits < 1 || permits > maxPermits) {
    throw invalid("permits", `${textOf(permits)} is not a number of permits; give an integer from 1 to ${maxPermits}`)
  }
  const name = nameIn(options, "SharedSemaphore")
  const buffer = Registry.make(permits)
  const semaphore: SharedSemaphore = { [TypeId]: TypeId, name, buffer }
  return semaphore
}

const kind: Kind = { typeId: TypeId, module: "SharedSemaphore" }

const maxPermits: number = 2 ** 31 - 1

/**
 * Whether a value is a semaphore, from this thread or another.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isSharedSemaphore = (u: unknown): u is SharedSemaphore =>
  hasProperty(u, TypeId) && hasProperty(u, "buffer") && Memory.isLockBuffer(u.buffer)

/**
 * The Schema of a semaphore, for the payloads of a contract. A semaphore is its own encoded form, because structured
 * clone copies it.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const SharedSemaphore: Schema.declare<SharedSemaphore> = Schema.declare(isSharedSemaphore, {
  identifier: "SharedSemaphore"
})

/**
 * Takes permits (default: one) and holds them until the scope closes, as a lease with the name of the semaphore. Fails
 * with `LockFull`. More permits than the semaphore has are a defect.
 *
 * *Cancellation*: a waiting request is withdrawn, without a trace. Permits that are granted at that moment go to the
 * next request. Held permits are released by the scope. While a fiber waits, its thread stays alive.
 *
 * @stability unstable
 * @category taking
 * @since 0.1.0
 */
export const take = (semaphore: SharedSemaphore, permits = 1): Effect.Effect<Guard, LockError.LockError, Scope.Scope> =>
  Effect.map(Lock.acquire(semaphore, { kind, permits, strict: false }), guardOf(permits))

const guardOf =
  (permits: number) =>
  (hold: Hold): Guard => ({ permits, ownerDied: hold.ownerDied })

/**
 * Takes permits for the scope if they are free and no request waits.
 *
 * @stability unstable
 * @category taking
 * @since 0.1.0
 */
export const tryTake = (
  semaphore: SharedSemaphore,
  permits = 1
): Effect.Effect<Option.Option<Guard>, LockError.LockError, Scope.Scope> =>
  Effect.map(Lock.acquireNow(semaphore, { kind, permits, strict: false }), Option.map(guardOf(permits)))

/**
 * Runs an effect while holding permits (default: one).
 *
 * *Cancellation*: as with `take`. The permits are released after the finalizers of the effect.
 *
 * @stability unstable
 * @category taking
 * @since 0.1.0
 */
export const withPermits =
  (semaphore: SharedSemaphore, permits = 1) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LockError.LockError, R> =>
    Effect.isEffect(effect)
      ? Effect.scopedWith((scope) =>
          Effect.andThen(Effect.provideService(take(semaphore, permits), Scope.Scope, scope), effect)
        )
      : Effect.die(wrongArgument("withPermits' effect", effect, "an Effect"))

/**
 * Takes permits (default: one) in synchronous code. The thread and all its fibers stop until then. Throws a
 * `LockError`: `LockTimedOut` or `LockFull`. Throws a `WorkerError` for misuse: `InvalidOption`, or `WouldBlockForever` if
 * this thread itself holds, or is to get first, so many permits that other threads can't release enough.
 *
 * *Cancellation*: the timeout, the token or an end of the section by force withdraws the request.
 *
 * *Gotchas*: a host that is stopped can't notice the death of a worker. Let the host wait in fibers, or with a timeout.
 *
 * @stability unstable
 * @category taking
 * @since 0.1.0
 */
export const takeSync = (semaphore: SharedSemaphore, permits = 1, options?: SyncOptions): GuardSync => {
  const hold = Lock.acquireSync(semaphore, { kind, permits, strict: false }, options)
  return {
    ...guardOf(permits)(hold),
    release: () => hold.release(),
    [Symbol.dispose]: () => hold.release()
  }
}

/**
 * The state of a semaphore at this moment.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const status = (semaphore: SharedSemaphore): Effect.Effect<Status> =>
  Effect.map(Lock.status(semaphore, kind), ({ free, held, waiting }) => ({ free, held, waiting }))
