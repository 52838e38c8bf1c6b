/** A layer with a bounded end. */
import { Context, Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { expect, it } from "vitest"
import { endWithin } from "../src/internal/endWithin.ts"

class Engine extends Context.Service<Engine, { readonly name: string }>()("test/Engine") {}

/** The end of the layer waits for the gate. */
const engine = (gate: Effect.Effect<void>) =>
  Layer.effect(
    Engine,
    Effect.acquireRelease(Effect.succeed({ name: "engine" }), () => gate)
  ).pipe(endWithin(() => "10 seconds"))

const closing = (gate: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const services = yield* Layer.buildWithScope(engine(gate), scope)
    expect(Context.get(services, Engine).name).toBe("engine")
    return yield* Effect.forkChild(Scope.close(scope, Exit.void))
  })

it("a layer that never ends is abandoned after the limit", () =>
  Effect.runPromise(
    Effect.gen(function* () {
      const closed = yield* closing(Effect.never)
      yield* TestClock.adjust("9 seconds")
      expect(closed.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closed)
    }).pipe(Effect.provide(TestClock.layer()))
  ))

it("a layer that ends in time is awaited, and no longer", () =>
  Effect.runPromise(
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const closed = yield* closing(Deferred.await(gate))
      yield* Effect.yieldNow
      expect(closed.pollUnsafe()).toBeUndefined()
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(closed)
    }).pipe(Effect.provide(TestClock.layer()))
  ))
