/**
 * Bounds the end of a layer. The engine waits for ever for answers to a client whose connection was lost while they were
 * written: a runner would never end after such a loss.
 */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"

/** The scope of the layer's services may close later than that of the layer: a limit after the end has begun. */
export const endWithin =
  <A>(limitOf: (services: Context.Context<A>) => Duration.Input) =>
  <E, R>(layer: Layer.Layer<A, E, R>): Layer.Layer<A, E, R> =>
    Layer.effectContext(
      Effect.gen(function* () {
        let limit: Duration.Input = 0
        const scope = yield* Effect.acquireRelease(Scope.make(), (made, exit) =>
          Effect.flatMap(Effect.forkDetach(Scope.close(made, exit)), (closing) =>
            Effect.asVoid(Effect.timeoutOption(Effect.interruptible(Fiber.await(closing)), limit))
          )
        )
        const services = yield* Layer.buildWithScope(layer, scope)
        limit = limitOf(services)
        return services
      })
    )
