/** Acquires a lease by its keeper, with a row in the store. */
import { messageOf } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as ClusterError from "../../ClusterError.ts"
import * as LeaseStore from "../store/leaseStore.ts"
import type { ClusterThread } from "./currentClusterThread.ts"
import type * as Keepers from "./keepers.ts"

type Failure = ClusterError.ClusterError

/** A failed acquire leaves no row. A cut-off acquire leaves its row, so that a runner releases the resource. */
export const enter = (
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
    const value = yield* found.acquire(payload).pipe(Effect.catch(failed))
    if (!(yield* LeaseStore.acquired(store, entry, yield* found.encodeValue(value)))) return yield* fencedOff
    return value
  })

/** Releases the resource, and then removes the row. */
export const leave = (
  { store }: ClusterThread,
  found: Keepers.Keeper,
  id: string,
  payload: unknown,
  value: unknown
): Effect.Effect<void, unknown> =>
  Effect.andThen(found.release({ payload, value: Option.some(value) }), LeaseStore.remove(store, id))

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
