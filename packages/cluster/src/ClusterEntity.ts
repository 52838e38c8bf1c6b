/**
 * For programs that have entities of Effect's cluster already: a client whose interrupt waits for the handler's finalizers,
 * and handlers that see the reason of an interrupt. The client of the engine returns before the finalizers, and sends no
 * reason.
 *
 * @since 0.1.0
 */
import * as ClusterSchema from "effect/cluster/ClusterSchema"
import * as Entity from "effect/cluster/Entity"
import * as EntityAddress from "effect/cluster/EntityAddress"
import * as EntityId from "effect/cluster/EntityId"
import { Sharding } from "effect/cluster/Sharding"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import type { RequestId } from "effect/rpc/RpcMessage"
import * as Scope from "effect/Scope"
import { limitOf } from "./internal/limit.ts"
import { checkedOptions, wrongArgument } from "./internal/wrongArgument.ts"
import { Calls, Target } from "./internal/entity/calls.ts"
import * as Reasons from "./internal/entity/reasons.ts"

/**
 * The client of an entity, in place of `Counter.client`. An interrupt of a call returns after the finalizers of its handler.
 * For an entity of `ClusterEntity.from`, the reason of the interrupt goes to the handler.
 *
 * ```ts
 * const counterOf = yield* ClusterEntity.client(Counter) // before: yield* Counter.client
 * ```
 *
 * *Cancellation*: the caller waits for the exit of the handler, for `waitAtMost` (default: 30 seconds). A runner that is
 * frozen or out of reach sends none; the caller then goes on, with a warning in the log.
 *
 * *Gotchas*: the engine starts a call again after the death of its runner. A call that is being interrupted is interrupted
 * there again.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const client = <Type extends string, Rpcs extends Rpc.Any>(
  entity: Entity.Entity<Type, Rpcs>,
  options: { readonly waitAtMost?: Duration.Input | undefined } = {}
): Entity.Entity<Type, Rpcs>["client"] =>
  Effect.gen(function* () {
    if (!Entity.isEntity(entity)) return yield* Effect.die(notEntity("ClusterEntity.client", entity))
    yield* checkedOptions("ClusterEntity.client", options)
    const waitMillis = yield* limitOf("waitAtMost", options.waitAtMost ?? "30 seconds")
    const sharding = yield* Sharding
    // The calls are those of the entity, whatever its type.
    const untyped = entity as unknown as Entity.Entity<string, Rpc.Any>
    const sendReason = withReasons.has(entity) ? yield* Reasons.sender(untyped) : Reasons.send
    const calls = new Calls({ sharding, entity: untyped, sendReason, waitMillis })
    const made = yield* RpcClient.makeNoSerialization(untyped.protocol, {
      spanPrefix: `${entity.type}.client`,
      disableTracing: !Context.get(entity.protocol.annotations, ClusterSchema.ClientTracingEnabled),
      supportsAck: true,
      // The engine's requests have such ids.
      generateRequestId: () => Effect.runSync(sharding.getSnowflake) as unknown as RequestId,
      flatten: true,
      onFromClient: calls.onMessage
      // As for the client of the engine, no scope ends the client.
    }).pipe(Effect.provideService(Scope.Scope, Scope.makeUnsafe()))
    calls.write = made.write
    return (id: string) => proxy(untyped, made.client as unknown as Call, addressOf(untyped, sharding, id))
  }) as Entity.Entity<Type, Rpcs>["client"]

const notEntity = (of: string, given: unknown): ReturnType<typeof wrongArgument> =>
  wrongArgument(`${of}'s entity`, given, "an Entity. Make one with Entity.make(...)")

type Call = (tag: string, payload: unknown, options: object) => unknown

const addressOf = (
  entity: Entity.Entity<string, Rpc.Any>,
  sharding: Sharding["Service"],
  id: string
): Context.Context<never> => {
  const entityId = EntityId.make(id)
  const shardId = sharding.getShardId(entityId, entity.getShardGroup(entityId))
  // The engine's context of a call is typed as one of no services.
  return Context.make(Target, EntityAddress.make({ shardId, entityId, entityType: entity.type }))
}

const proxy = (entity: Entity.Entity<string, Rpc.Any>, call: Call, context: Context.Context<never>): object => {
  const methods: Record<string, unknown> = {}
  for (const tag of entity.protocol.requests.keys()) {
    methods[tag] = (payload: unknown, options?: { readonly context?: Context.Context<never> | undefined }) =>
      call(tag, payload, {
        ...options,
        context: options?.context === undefined ? context : Context.merge(options.context, context)
      })
  }
  return methods
}

/** The entities whose runners receive reasons. */
const withReasons = new WeakSet<object>()

/**
 * The same entity, whose `client` is that of `ClusterEntity.client`, and whose `toLayer` lets the handlers see the reasons
 * of interrupts: `CancelReason.fromExit` finds them in the finalizers. One changed line where the entity is defined.
 *
 * ```ts
 * export const Counter = ClusterEntity.from(Entity.make("Counter", [Get])) // before: Entity.make("Counter", [Get])
 * ```
 *
 * Throws `InvalidOption` for a value that is no entity.
 *
 * *Gotchas*: annotate the entity before. Deploy the runners before the clients, because a runner without this change fails
 * the calls of a client that sends it a reason. The handler of a stream has no reason.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const from = <Type extends string, Rpcs extends Rpc.Any>(
  entity: Entity.Entity<Type, Rpcs>
): Entity.Entity<Type, Rpcs> => {
  if (!Entity.isEntity(entity)) throw notEntity("ClusterEntity.from", entity)
  const untyped = entity as unknown as Entity.Entity<string, Rpc.Any>
  const better: Entity.Entity<Type, Rpcs> = Object.create(entity, {
    client: { get: () => client(better) },
    toLayer: {
      value: (build: Build, options?: Parameters<typeof untyped.toLayer>[1]) => serving(untyped, build, options)
    }
  })
  withReasons.add(better)
  return better
}

type Build = Entity.HandlersFrom<Rpc.Any> | Effect.Effect<Entity.HandlersFrom<Rpc.Any>>

const serving = (
  entity: Entity.Entity<string, Rpc.Any>,
  build: Build,
  options: Parameters<typeof entity.toLayer>[1]
): Layer.Layer<never, never, unknown> => {
  const handling: Reasons.Handling = new Map()
  const handlers = Effect.isEffect(build) ? build : Effect.succeed(build)
  const watching = Effect.map(handlers, (made) => watched(made, handling))
  return Layer.merge(entity.toLayer(watching, options), Reasons.layer(entity, handling))
}

type Handler = (request: { readonly requestId: unknown }) => Rpc.WrapperOr<object>

/** The same handlers, which enter their fibers while they run. */
const watched = <Handlers extends object>(handlers: Handlers, handling: Reasons.Handling): Handlers =>
  Object.fromEntries(
    Object.entries(handlers).map(([tag, handler]) => [
      tag,
      (request: Parameters<Handler>[0]) =>
        Rpc.wrapMap((handler as Handler)(request), (result) =>
          Effect.isEffect(result) ? entered(result, String(request.requestId), handling) : result
        )
    ])
    // Each handler has its own name and type again.
  ) as Handlers

const entered = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  id: string,
  handling: Reasons.Handling
): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    handling.set(id, fiber)
    return Effect.ensuring(
      effect,
      Effect.sync(() => handling.delete(id))
    )
  })
