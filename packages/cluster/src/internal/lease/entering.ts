/** Acquires a lease by its keeper, with a row in the store. */
import { messageOf } from "@quiesce/core/internal"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as ClusterError from "../../ClusterError.ts"
import * as LeaseStore from "../store/leaseStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import type { ClusterThread } from "./currentClusterThread.ts"
import type * as Keepers from "./keepers.ts"

type Failure = ClusterError.ClusterError

/**
 * A failed acquire leaves no row. After a cut-off acquire, and after a value that its Schema refuses, a runner releases the
 * resource. Dies in a transaction, because the row of the lease would be rolled back with the transaction.
 */
export const enter = (
  thread: ClusterThread,
  found: Keepers.Keeper,
  id: string,
  payload: unknown
): Effect.Effect<unknown, Failure> =>
  Effect.withFiber(({ context }) => {
    const isInTransaction = Option.isSome(Context.getOption(context, thread.store.sql.transactionService))
    if (isInTransaction) return Effect.die(ClusterError.make({ _tag: "InTransaction", lease: found.name }))
    return enterRow(thread, found, id, payload)
  })

const enterRow = (
  { id: thread, store, token }: ClusterThread,
  found: Keepers.Keeper,
  id: string,
  payload: unknown
): Effect.Effect<unknown, Failure> =>
  Effect.gen(function* () {
    const text = yield* found.encodePayload(payload)
    const entry = { id, thread, token, name: found.name, payload: text }
    const fencedOff = Effect.fail(ClusterError.make({ _tag: "FencedOff", thread, token }))
    if (!(yield* LeaseStore.enter(store, entry))) return yield* fencedOff
    const failed = (error: unknown) =>
      Effect.andThen(
        LeaseStore.remove(store, id),
        Effect.fail(ClusterError.make({ _tag: "KeeperFailed", lease: found.name, problem: messageOf(error) }))
      )
    const noted = Effect.gen(function* () {
      const value = yield* found.acquire(payload).pipe(Effect.catch(failed))
      if (!(yield* LeaseStore.acquired(store, entry, yield* found.encodeValue(value)))) return yield* fencedOff
      return value
    })
    return yield* Effect.onError(noted, () => leftToRunners(store, id))
  })

/** Releases the resource, and then removes the row. After a failed release, a runner tries again. */
export const leave = (
  { store }: ClusterThread,
  found: Keepers.Keeper,
  id: string,
  payload: unknown,
  value: unknown
): Effect.Effect<void, unknown> =>
  found.release({ payload, value: Option.some(value) }).pipe(
    Effect.andThen(LeaseStore.remove(store, id)),
    Effect.onError(() => leftToRunners(store, id))
  )

/** If the store is away, the runners find the lease when its thread has ended. */
const leftToRunners = (store: ThreadStore, id: string): Effect.Effect<void> =>
  Effect.ignore(LeaseStore.leave(store, id))

/** The same in the current scope. */
export const enterScoped = (
  thread: ClusterThread,
  found: Keepers.Keeper,
  payload: unknown
): Effect.Effect<unknown, Failure, Scope.Scope> => {
  const id = crypto.randomUUID()
  return Effect.acquireRelease(
    enter(thread, found, id, payload),
    (value) => Effect.orDie(leave(thread, found, id, payload, value)),
    { interruptible: true }
  )
}
