/**
 * A mutex in shared memory: one owner at a time among all threads of the process, in the order in which they asked.
 *
 * Fibers wait for it without stopping their thread, synchronous code by stopping it. It is robust, as POSIX calls it:
 * when the thread of the owner dies, the next one gets the lock and is told, and either makes consistent what the lock
 * protects and says so, or the lock is unusable from then on.
 *
 * Whether a thread has died is for its host to say. A `WorkerPool` does; for a Worker of your own, call `threadDied`.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { hasProperty } from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Lock from "./internal/locks/acquire.ts"
import * as Memory from "./internal/locks/memory.ts"
import * as Registry from "./internal/locks/registry.ts"
import type { Demand, Hold } from "./internal/locks/request.ts"
import * as WorkerError from "./WorkerError.ts"

const TypeId = "~@quiesce/worker-threads/SharedMutex"

/**
 * A mutex. It is plain data: send it to another thread as it is, in `workerData`, a message or a payload. `name` is
 * what ledgers, dumps and errors call it.
 *
 * @category models
 * @since 0.1.0
 */
export interface SharedMutex {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  readonly buffer: SharedArrayBuffer
}

/**
 * What holding the lock gives. `ownerDied` says that the owner before died while it held it: then what the lock
 * protects may be half changed, and unless `markConsistent` runs before the release, the lock becomes unusable.
 *
 * @category models
 * @since 0.1.0
 */
export interface Guard {
  readonly ownerDied: boolean
  readonly markConsistent: Effect.Effect<void>
}

/**
 * The same for synchronous code, which has to `release` it, or to bind it with `using`. A second `release` does nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface GuardSync extends Disposable {
  readonly ownerDied: boolean
  readonly markConsistent: () => void
  readonly release: () => void
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
 * The state of a lock: how many requests hold it and wait for it, and whether it has become unusable.
 *
 * @category models
 * @since 0.1.0
 */
export type Status = Lock.Status

/**
 * Makes a mutex, for up to 64 threads and 128 requests at a time. Its memory is freed when no thread has the mutex any
 * more. Deaths of who holds it are told where it was made, so have it there until another thread has used it; from then
 * on it is kept for that one.
 *
 * *Gotchas*: make it in a thread above all that use it. A pool hears of the death of its worker, and so do the threads
 * above that, but not the other workers: what waits in the worker that has made it waits for ever.
 *
 * ```ts
 * import { SharedMutex } from "@quiesce/worker-threads"
 * import { Effect } from "effect"
 * import { Worker } from "node:worker_threads"
 *
 * const program = Effect.gen(function* () {
 *   const mutex = yield* SharedMutex.make({ name: "index" })
 *   const worker = new Worker(new URL("./indexer.ts", import.meta.url), { workerData: mutex })
 *   const { threadId } = worker
 *   worker.once("exit", () => Effect.runSync(SharedMutex.threadDied(threadId)))
 *   yield* SharedMutex.withLock(mutex, { recover: rebuild })(update)
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: { readonly name?: string | undefined }): Effect.Effect<SharedMutex> =>
  Effect.sync(() => makeUnsafe(options))

/**
 * Makes a mutex at once, where there is no Effect to do it in.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (options?: { readonly name?: string | undefined }): SharedMutex => {
  const buffer = Memory.make(1)
  const mutex: SharedMutex = { [TypeId]: TypeId, name: options?.name ?? "SharedMutex", buffer }
  Registry.open(buffer)
  return mutex
}

/**
 * Whether a value is a mutex, also one that has come from another thread.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSharedMutex = (u: unknown): u is SharedMutex =>
  hasProperty(u, TypeId) && hasProperty(u, "buffer") && Memory.isLockBuffer(u.buffer)

/**
 * The Schema of a mutex, for the payloads of a contract. It encodes to itself, as structured clone copies it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SharedMutex: Schema.declare<SharedMutex> = Schema.declare(isSharedMutex, { identifier: "SharedMutex" })

const demand: Demand = { permits: 1, strict: true }

const guardOf = (hold: Hold): Guard => ({
  ownerDied: hold.ownerDied,
  markConsistent: Effect.sync(() => hold.markConsistent())
})

/**
 * Gets the lock and holds it until the scope closes, as a lease named after the mutex. Fails with `LockUnusable` if
 * it is unusable or becomes so meanwhile, and with `LockFull`.
 *
 * *Cancellation*: while waiting, the request is withdrawn, as if it had never been made; one that was granted in that
 * moment goes on to the next. Once held, the lock is released by the scope, also after an unwind: that is no death, so
 * what it left half done is for the finalizers of the work. While a fiber waits, its thread stays alive.
 *
 * *Gotchas*: it is not re-entrant. A fiber that asks for what it holds already waits until it is cancelled.
 *
 * @category locking
 * @since 0.1.0
 */
export const lock = (mutex: SharedMutex): Effect.Effect<Guard, WorkerError.WorkerError, Scope.Scope> =>
  Effect.map(Lock.acquire(mutex, demand), guardOf)

/**
 * Gets the lock for the scope if it is free and nobody waits for it.
 *
 * @category locking
 * @since 0.1.0
 */
export const tryLock = (
  mutex: SharedMutex
): Effect.Effect<Option.Option<Guard>, WorkerError.WorkerError, Scope.Scope> =>
  Effect.map(Lock.acquireNow(mutex, demand), Option.map(guardOf))

/**
 * Runs an effect while holding the lock. If the owner before has died, `recover` runs first and makes consistent what
 * the lock protects; if that fails, the lock is unusable. Without a `recover` the effect does not run: it fails with
 * `OwnerDied`, and the news is for the next one.
 *
 * *Cancellation*: as with `lock`; the lock is released after the finalizers of the effect. When `recover` is cancelled,
 * the next owner recovers.
 *
 * @category locking
 * @since 0.1.0
 */
export const withLock =
  <E2 = never, R2 = never>(
    mutex: SharedMutex,
    options?: { readonly recover?: Effect.Effect<unknown, E2, R2> | undefined }
  ) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2 | WorkerError.WorkerError, R | R2> =>
    Effect.scopedWith((scope) =>
      Effect.flatMap(
        // Only the lock belongs to this scope; the effect keeps its own.
        Effect.provideService(Lock.acquire(mutex, demand), Scope.Scope, scope),
        (hold): Effect.Effect<A, E | E2 | WorkerError.WorkerError, R | R2> =>
          hold.ownerDied ? Effect.andThen(recovered(mutex, hold, options?.recover), effect) : effect
      )
    )

const recovered = <E, R>(
  mutex: SharedMutex,
  hold: Hold,
  recover: Effect.Effect<unknown, E, R> | undefined
): Effect.Effect<void, E | WorkerError.WorkerError, R> => {
  if (recover === undefined) {
    return Effect.suspend(() => {
      hold.leaveDeathToNext()
      return Effect.fail(WorkerError.make({ _tag: "OwnerDied", lock: mutex.name, threadId: hold.deadThread }))
    })
  }
  return Effect.asVoid(
    Effect.onExit(recover, (exit) =>
      Effect.sync(() => {
        if (Exit.isSuccess(exit)) hold.markConsistent()
        else if (Cause.hasInterruptsOnly(exit.cause)) hold.leaveDeathToNext()
      })
    )
  )
}

/**
 * Gets the lock in synchronous code: stops this thread, with all its fibers, until it has it. Throws a `WorkerError`:
 * `LockUnusable`, `LockTimedOut`, `LockFull`, `InvalidOption`, or `WouldBlockForever` where this very thread holds the
 * lock or a fiber of it is to get it first.
 *
 * *Cancellation*: by the timeout, the token, or the end of the section by force; the request is withdrawn. What a
 * section that was ended by force still held goes to the next one as from an owner that died.
 *
 * *Gotchas*: a host that waits so can't hear that a worker has died. Let it wait in fibers, or give it a timeout.
 *
 * @category locking
 * @since 0.1.0
 */
export const lockSync = (mutex: SharedMutex, options?: SyncOptions): GuardSync => {
  const hold = Lock.acquireSync(mutex, demand, options)
  return {
    ownerDied: hold.ownerDied,
    markConsistent: () => hold.markConsistent(),
    release: () => hold.release(),
    [Symbol.dispose]: () => hold.release()
  }
}

/**
 * The state of a mutex at this moment.
 *
 * @category observing
 * @since 0.1.0
 */
export const status = (mutex: SharedMutex): Effect.Effect<Status, WorkerError.WorkerError> => Lock.status(mutex)

/**
 * Tells all mutexes and semaphores that this thread has made or used that a thread has ended. Call it where the locks
 * were made, in the `exit` event of each Worker that is not of a `WorkerPool`, with the `threadId` that it had when it
 * was started: after its end the property is -1. To say it of a thread that runs breaks mutual exclusion.
 *
 * @category recovering
 * @since 0.1.0
 */
export const threadDied = (threadId: number): Effect.Effect<void> => Effect.sync(() => Registry.threadDied(threadId))
