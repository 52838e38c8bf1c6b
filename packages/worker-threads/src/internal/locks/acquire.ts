/**
 * Acquires a shared lock. A fiber suspends until then, and synchronous code stops its thread. Both enter a request and
 * wait until its phase changes. They then hold the lock, or the lock has become unusable.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import { millisOf, textOf } from "@quiesce/core/internal"
import * as Lease from "@quiesce/core/Lease"
import type * as StopToken from "@quiesce/core/StopToken"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as LockError from "../../LockError.ts"
import * as Memory from "./memory.ts"
import * as Registry from "./registry.ts"
import { type Demand, type Handle, type Hold, invalid, type Kind, open, Request } from "./request.ts"
import * as State from "./state.ts"

export interface SyncOptions {
  readonly timeout?: Duration.Input | undefined
  readonly token?: StopToken.StopToken | undefined
}

/** Turns a thrown `LockError` into a failure, and any other thrown value, such as an error of misuse, into a defect. */
const attempt = <A>(f: () => A): Effect.Effect<A, LockError.LockError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(f())
    } catch (error) {
      return error instanceof LockError.LockError ? Effect.fail(error) : Effect.die(error)
    }
  })

/**
 * Acquires the lock for the scope, as a lease.
 *
 * *Cancellation*: the request is withdrawn, even if it was granted and the fiber has not run since.
 */
export const acquire = (lock: Handle, demand: Demand): Effect.Effect<Hold, LockError.LockError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(enter(lock, demand, "wait"), ({ request }) =>
      Effect.flatMap(
        Effect.onExit(restore(untilAnswered(request)), (exit) =>
          Exit.isSuccess(exit) ? Effect.void : Effect.sync(() => request.withdraw())
        ),
        () => hold(lock, request)
      )
    )
  )

/** Acquires the lock for the scope if it is free and no request waits. */
export const acquireNow = (
  lock: Handle,
  demand: Demand
): Effect.Effect<Option.Option<Hold>, LockError.LockError, Scope.Scope> =>
  Effect.uninterruptible(
    Effect.flatMap(enter(lock, demand, "leave"), ({ entered, request }) =>
      entered ? Effect.asSome(hold(lock, request)) : Effect.succeedNone
    )
  )

const enter = (
  lock: Handle,
  demand: Demand,
  orElse: "wait" | "leave"
): Effect.Effect<{ readonly request: Request; readonly entered: boolean }, LockError.LockError> =>
  attempt(() => {
    const memory = open(lock, demand.kind)
    const request = new Request(memory, Memory.nextId(memory), lock.name, demand)
    return { request, entered: request.enter(orElse) }
  })

/** Nothing can interrupt the fiber between the grant and the lease, because the region around both is masked. */
const hold = (lock: Handle, request: Request): Effect.Effect<Hold, LockError.LockError, Scope.Scope> =>
  Effect.flatMap(
    attempt(() => request.claim()),
    (hold) =>
      Effect.orDie(
        Lease.acquire({
          name: lock.name,
          acquire: Effect.succeed(hold),
          release: (hold) => Effect.sync(() => hold.release())
        })
      )
  )

const untilAnswered = (request: Request): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const { memory, word } = request
    let waiting = true
    keepAlive()
    const end = (): void => {
      if (!waiting) return
      waiting = false
      endKeepAlive()
    }
    const look = (): void => {
      for (;;) {
        if (!waiting) return
        const read = Memory.readWake(memory, word)
        if (request.phase !== State.Phase.waiting) {
          end()
          return resume(Effect.void)
        }
        const woken = Memory.waitAsync(memory, word, read)
        if (woken !== undefined) return void woken.then(look)
      }
    }
    look()
    return Effect.sync(() => {
      end()
      // Settles the promise of the wait now, and not when the word is used next.
      Memory.wake(memory, word)
    })
  })

let waits = 0
let timer: NodeJS.Timeout | undefined

/** Node ends a thread that only waits for shared memory. The request would then never be answered. */
const keepAlive = (): void => {
  waits++
  timer ??= setInterval(() => {}, 2 ** 31 - 1)
}

const endKeepAlive = (): void => {
  if (--waits > 0) return
  clearInterval(timer)
  timer = undefined
}

/** Acquires the lock and stops the thread until then. Throws a `LockError`, an error of misuse, or the token's reason. */
export const acquireSync = (lock: Handle, demand: Demand, options: SyncOptions | undefined): Hold => {
  const millis = timeoutOf(options?.timeout)
  const memory = open(lock, demand.kind)
  const asked = Registry.enter(memory)
  const request = new Request(memory, asked.id, lock.name, demand)
  try {
    request.enter("block")
    waitSync(request, millis, options?.token)
    const hold = request.claim(asked)
    Registry.held(asked, lock.name)
    return hold
  } catch (error) {
    request.withdraw()
    Registry.leave(asked)
    throw error
  }
}

const timeoutOf = (timeout: Duration.Input | undefined): number => {
  if (timeout === undefined) return Infinity
  const millis = millisOf(timeout)
  if (Result.isSuccess(millis)) return millis.success
  throw invalid("timeout", `${textOf(timeout)} is not a duration; give one such as "2 seconds"`)
}

/** How often a synchronous wait looks at the token and at the state, in milliseconds. */
const tokenSlice = 10
const slice = 1000

const waitSync = (request: Request, millis: number, token: StopToken.StopToken | undefined): void => {
  const { memory, word } = request
  const end = performance.now() + millis
  for (;;) {
    const read = Memory.readWake(memory, word)
    if (request.phase !== State.Phase.waiting) return
    if (token?.interrupted === true) throw CancelReason.toError(token.reason ?? CancelReason.interrupted())
    const left = end - performance.now()
    if (left <= 0) throw LockError.make({ _tag: "LockTimedOut", lock: request.lock, millis })
    Memory.wait(memory, word, read, Math.min(left, token === undefined ? slice : tokenSlice))
  }
}

/** The number of free permits, of holding and of waiting requests, and whether the lock has become unusable. */
export interface Status {
  readonly free: number
  readonly held: number
  readonly waiting: number
  readonly unusable: boolean
}

export const status = (lock: Handle, kind: Kind): Effect.Effect<Status> =>
  Effect.sync(() =>
    Memory.peek(open(lock, kind), (state) => ({ ...State.tally(state), unusable: State.isUnusable(state) }))
  )
