/**
 * Leases that outlive a machine. The store has a row for each lease. If the machine of the thread dies, or the thread is
 * killed, a runner that is alive releases the resource.
 *
 * @since 0.1.0
 */
import * as Lease from "@quiesce/core/Lease"
import { messageOf, readOr } from "@quiesce/core/internal"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as ClusterError from "./ClusterError.ts"
import { leaseProblem, wrongArgument } from "./internal/wrongArgument.ts"
import { type ClusterThread, CurrentClusterThread } from "./internal/lease/currentClusterThread.ts"
import * as Keepers from "./internal/lease/keepers.ts"
import * as Entering from "./internal/lease/entering.ts"
import * as PoolLeases from "./internal/lease/poolLeases.ts"

/** A Schema without services. */
type Plain = Schema.Codec<unknown, unknown>

/**
 * A kind of lease. The keeper acquires it with a payload, and the holder gets a value. Both have to fit into the store as
 * JSON.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ClusterLease<in out Payload, in out Value> {
  readonly name: string
  readonly payload: Schema.Codec<Payload, unknown>
  readonly value: Schema.Codec<Value, unknown>
}

/**
 * The resource of a thread that no longer runs. `value` is none if the thread ended while the resource was being acquired:
 * the resource may be there or not.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Left<out Payload, out Value> {
  readonly payload: Payload
  readonly value: Option.Option<Value>
}

/**
 * The keeper of a kind of lease, at each runner.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Keeper<out R> {
  readonly "~@quiesce/cluster/Keeper": (context: Context.Context<R>) => Keepers.Keeper
}

/**
 * Defines a kind of lease. Throws `InvalidOption` for a name that is no text, and for a Schema that is none.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = <Payload, Value>(
  name: string,
  schemas: { readonly payload: Schema.Codec<Payload, unknown>; readonly value: Schema.Codec<Value, unknown> }
): ClusterLease<Payload, Value> => {
  const lease = { name, ...schemas }
  const problem = leaseProblem("ClusterLease.make", lease)
  if (problem !== undefined) throw problem
  return lease
}

/**
 * Says how runners acquire and release a kind of lease. The runner of a thread acquires; any runner may release. The store
 * makes sure that each resource is released at least once, so `release` must do nothing for a resource that is gone.
 *
 * A release that fails, or takes more than 30 seconds, is tried again, by any runner, after a pause. In a worker of a pool, the
 * first release has no such limit while its thread lives.
 *
 * Throws `InvalidOption` for a value that is no kind of lease, and for a missing function.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const keeper = <Payload, Value, E, R, E2, R2>(
  lease: ClusterLease<Payload, Value>,
  options: {
    readonly acquire: (payload: Payload) => Effect.Effect<Value, E, R>
    readonly release: (left: Left<Payload, Value>) => Effect.Effect<void, E2, R2>
  }
): Keeper<R | R2> => {
  const problem = leaseProblem("ClusterLease.keeper", lease) ?? waysProblem(options)
  if (problem !== undefined) throw problem
  return {
    "~@quiesce/cluster/Keeper": (context) => ({
      name: lease.name,
      // The texts of the store were encoded by the same Schemas.
      kind: kindOf(lease),
      acquire: (payload) => Effect.provideContext(options.acquire(payload as Payload), context),
      release: (left) => Effect.provideContext(options.release(left as Left<Payload, Value>), context),
      ...codecs(lease.name, "Payload", lease.payload),
      ...codecs(lease.name, "Value", lease.value)
    })
  }
}

const waysProblem = (options: {
  readonly acquire: unknown
  readonly release: unknown
}): ReturnType<typeof wrongArgument> | undefined =>
  readOr(() => typeof options.acquire === "function" && typeof options.release === "function", false)
    ? undefined
    : wrongArgument("ClusterLease.keeper's options", options, "an object with the functions acquire and release")

/** The Schemas of a lease for values of any type. */
const kindOf = <Payload, Value>({ name, payload, value }: ClusterLease<Payload, Value>): Keepers.Kind => ({
  name,
  payload: payload,
  value: value
})

const codecs = <Part extends "Payload" | "Value">(
  name: string,
  part: Part,
  schema: Schema.Codec<never, unknown> | Schema.Codec<unknown, unknown>
): Pick<Keepers.Keeper, `encode${Part}` | `decode${Part}`> => {
  const text = Schema.fromJsonString(Schema.toCodecJson(schema as Plain))
  const refuse = (problem: unknown) =>
    ClusterError.make({ _tag: "NotSendable", task: name, problem: messageOf(problem) })
  const encode = Schema.encodeUnknownEffect(text)
  const decode = Schema.decodeUnknownEffect(text)
  return {
    [`encode${part}`]: (value: unknown) => Effect.mapError(encode(value), refuse),
    [`decode${part}`]: (json: string) => Effect.mapError(decode(json), refuse)
  } as Pick<Keepers.Keeper, `encode${Part}` | `decode${Part}`>
}

/**
 * Acquires a lease in the current scope, in the body of a thread. The lease is in the report of the thread. It is released with the scope; if the runner dies or the thread is killed, another runner releases it.
 *
 * Fails with `FencedOff` if the thread was killed, and with the keeper's own error as `KeeperFailed`. Dies with `NoKeeper`,
 * `NotInThread`, `InvalidOption` for a value that is no kind of lease, or `InTransaction` in a transaction of the cluster's
 * database, and so in `Fence.check`. In a worker of a pool, the runner acquires and keeps the lease, and a missing keeper is
 * a `NotInThread`.
 *
 * *Cancellation*: as for `Lease.acquire`.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const acquire = <Payload, Value>(
  lease: ClusterLease<Payload, Value>,
  payload: Payload
): Effect.Effect<Value, ClusterError.ClusterError, Scope.Scope> =>
  // The keeper of the lease gave the value.
  Effect.withFiber((fiber) => {
    const problem = leaseProblem("ClusterLease.acquire", lease)
    if (problem !== undefined) return Effect.die(problem)
    const thread = Context.getOrUndefined(fiber.context, CurrentClusterThread)
    return thread === undefined ? PoolLeases.acquire(kindOf(lease), payload) : acquireHere(thread, lease.name, payload)
  }) as Effect.Effect<Value, ClusterError.ClusterError, Scope.Scope>

const acquireHere = (
  thread: ClusterThread,
  name: string,
  payload: unknown
): Effect.Effect<unknown, ClusterError.ClusterError, Scope.Scope> => {
  const found = thread.keepers.get(name)
  if (found === undefined) return Effect.die(ClusterError.make({ _tag: "NoKeeper", lease: name }))
  const id = crypto.randomUUID()
  return Lease.acquire({
    name,
    acquire: Entering.enter(thread, found, id, payload),
    release: (value) => Entering.leave(thread, found, id, payload, value),
    releaseWithin: Keepers.releaseMillis
  })
}
