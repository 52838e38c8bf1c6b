/**
 * A mutex in shared memory: one owner at a time among all threads of the process, in the order of their requests.
 *
 * A waiting fiber does not stop its thread; waiting synchronous code does. The mutex is robust, in the sense of POSIX:
 * when the owner's thread dies, the next owner gets the lock with a report of the death. If that owner does not declare
 * the protected data consistent, the lock becomes unusable.
 *
 * The lock depends on its host for reports of deaths. A `WorkerPool` makes them. For a Worker of your own, call
 * `threadDied`.
 *
 * @since 0.1.0
 */
import { threadId as ownThreadId } from "node:worker_threads"
import { textOf } from "@quiesce/core/internal"
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
import { type Demand, type Hold, invalid, type Kind, nameIn } from "./internal/locks/request.ts"
import { wrongArgument } from "./internal/wire/wrongArgument.ts"
import * as LockError from "./LockError.ts"

const TypeId = "~@quiesce/worker-threads/SharedMutex"

/**
 * A mutex: plain data that can be sent to another thread, in `workerData`, a message or a payload. `name` appears in
 * ledgers, dumps and errors.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SharedMutex {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  readonly buffer: SharedArrayBuffer
}

/**
 * A held lock. `ownerDied`: the owner before died while it held the lock, so the protected data may be half changed.
 * Unless `markConsistent` runs before the release, the lock then becomes unusable. After the release `markConsistent` is
 * misuse: a defect.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Guard {
  readonly ownerDied: boolean
  readonly markConsistent: Effect.Effect<void>
}

/**
 * A held lock for synchronous code. Call `release`, or bind the guard with `using`. A second `release` does nothing.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface GuardSync extends Disposable {
  readonly ownerDied: boolean
  readonly markConsistent: () => void
  readonly release: () => void
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
 * The state of a lock: the numbers of holding and waiting requests, and whether the lock has become unusable.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Status = Lock.Status

/**
 * Makes a mutex, for up to 64 threads and 128 requests at a time. Its memory is freed when no thread has the mutex any
 * more. The thread that created the mutex is informed when a holder dies. Keep a reference to it there until another
 * thread has used it.
 *
 * *Gotchas*: make the mutex in a thread above all its users. The death of a worker is reported to its pool and to the
 * threads above the pool, but not to the other workers. A waiter in the worker that made the mutex would wait for ever.
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
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: { readonly name?: string | undefined }): Effect.Effect<SharedMutex> =>
  Effect.sync(() => makeUnsafe(options))

/**
 * Makes a mutex at once, outside an Effect.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (options?: { readonly name?: string | undefined }): SharedMutex => {
  const name = nameIn(options, "SharedMutex")
  const buffer = Registry.make(1)
  const mutex: SharedMutex = { [TypeId]: TypeId, name, buffer }
  return mutex
}

/**
 * Whether a value is a mutex, from this thread or another.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isSharedMutex = (u: unknown): u is SharedMutex =>
  hasProperty(u, TypeId) && hasProperty(u, "buffer") && Memory.isLockBuffer(u.buffer)

/**
 * The Schema of a mutex, for the payloads of a contract. A mutex is its own encoded form, because structured clone
 * copies it.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const SharedMutex: Schema.declare<SharedMutex> = Schema.declare(isSharedMutex, { identifier: "SharedMutex" })

const kind: Kind = { typeId: TypeId, module: "SharedMutex" }

const demand: Demand = { kind, permits: 1, strict: true }

const guardOf = (hold: Hold): Guard => ({
  ownerDied: hold.ownerDied,
  markConsistent: Effect.sync(() => hold.markConsistent())
})

/**
 * Acquires the lock and holds it until the scope closes, as a lease with the name of the mutex. Fails with
 * `LockUnusable` if the lock is unusable or becomes so meanwhile, and with `LockFull`.
 *
 * *Cancellation*: a waiting request is withdrawn, without a trace. A lock that is granted at that moment goes to the
 * next request. A held lock is released by the scope, also after an unwind. An unwind is not a death, so the finalizers
 * of the work have to repair half-changed data. While a fiber waits, its thread stays alive.
 *
 * *Gotchas*: the lock is not re-entrant. A fiber that asks for a lock that it holds waits until it is cancelled.
 *
 * @stability unstable
 * @category locking
 * @since 0.1.0
 */
export const lock = (mutex: SharedMutex): Effect.Effect<Guard, LockError.LockError, Scope.Scope> =>
  Effect.map(Lock.acquire(mutex, demand), guardOf)

/**
 * Acquires the lock for the scope if it is free and no request waits.
 *
 * @stability unstable
 * @category locking
 * @since 0.1.0
 */
export const tryLock = (mutex: SharedMutex): Effect.Effect<Option.Option<Guard>, LockError.LockError, Scope.Scope> =>
  Effect.map(Lock.acquireNow(mutex, demand), Option.map(guardOf))

/**
 * Runs an effect while holding the lock. If the owner before has died, `recover` runs first to make the protected data
 * consistent. If `recover` fails, the lock becomes unusable. Without `recover` the effect does not run: it fails with
 * `OwnerDied`, and the next owner gets the report.
 *
 * *Cancellation*: as with `lock`. The lock is released after the finalizers of the effect. If `recover` is cancelled,
 * the next owner recovers.
 *
 * @stability unstable
 * @category locking
 * @since 0.1.0
 */
export const withLock =
  <E2 = never, R2 = never>(
    mutex: SharedMutex,
    options?: { readonly recover?: Effect.Effect<unknown, E2, R2> | undefined }
  ) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2 | LockError.LockError, R | R2> =>
    Effect.scopedWith((scope) => {
      const recover = options?.recover
      // An error after the lock was taken would not name this function.
      if (!Effect.isEffect(effect)) return Effect.die(wrongArgument("withLock's effect", effect, "an Effect"))
      if (recover !== undefined && !Effect.isEffect(recover)) {
        // It would be found only after the death of an owner, and would make the lock unusable.
        return Effect.die(invalid("withLock's recover", "it is not an Effect; wrap it in Effect.sync(() => ...)"))
      }
      return Effect.flatMap(
        // Only the lock belongs to this scope; the effect keeps its own.
        Effect.provideService(Lock.acquire(mutex, demand), Scope.Scope, scope),
        (hold): Effect.Effect<A, E | E2 | LockError.LockError, R | R2> =>
          hold.ownerDied ? Effect.andThen(recovered(mutex, hold, recover), effect) : effect
      )
    })

const recovered = <E, R>(
  mutex: SharedMutex,
  hold: Hold,
  recover: Effect.Effect<unknown, E, R> | undefined
): Effect.Effect<void, E | LockError.LockError, R> => {
  if (recover === undefined) {
    return Effect.suspend(() => {
      hold.leaveDeathToNext()
      return Effect.fail(LockError.make({ _tag: "OwnerDied", lock: mutex.name, threadId: hold.deadThread }))
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
 * Acquires the lock in synchronous code. The thread and all its fibers stop until then. The lock is a lease of the Effect
 * thread whose code acquires it. Throws a `LockError`: `LockUnusable`, `LockTimedOut` or `LockFull`. Throws a `WorkerError`
 * for misuse: `InvalidOption`, or `WouldBlockForever` if this thread itself holds the lock or one of its fibers is to get
 * the lock first.
 *
 * *Cancellation*: the timeout, the token or an end of the section by force withdraws the request. A lock that is held
 * when its section is ended by force goes to the next owner with a report of a death.
 *
 * *Gotchas*: a host that is stopped can't notice the death of a worker. Let the host wait in fibers, or with a timeout.
 *
 * @stability unstable
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
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const status = (mutex: SharedMutex): Effect.Effect<Status> => Lock.status(mutex, kind)

/**
 * Reports the end of a thread to all mutexes and semaphores that this thread has made or used. Call `threadDied` in the
 * maker's thread, in the `exit` event of each Worker outside a `WorkerPool`, with the `threadId` from the worker's
 * start. After its end the property is -1. Reporting a thread that still runs breaks mutual exclusion. Any value but the
 * number of another thread is a defect.
 *
 * @stability unstable
 * @category recovering
 * @since 0.1.0
 */
export const threadDied = (threadId: number): Effect.Effect<void> =>
  Effect.sync(() => {
    const problem = problemOf(threadId)
    if (problem !== undefined) throw invalid("threadDied's threadId", problem)
    Registry.threadDied(threadId)
  })

const problemOf = (threadId: unknown): string | undefined => {
  if (threadId === ownThreadId) return "it is the thread that calls, which still runs"
  if (Number.isSafeInteger(threadId) && (threadId as number) >= 0) return undefined
  return `${textOf(threadId)} is not the number of a thread; read worker.threadId at the start, because it is -1 after the end`
}
