/** The time for which the interrupt of an entity's call waits for the handler, in virtual time. */
import { ClusterEntity } from "@quiesce/cluster"
import { Deferred, Effect, Fiber, Layer, Logger, Schema, Stream } from "effect"
import { Entity, TestRunner } from "effect/cluster"
import { Rpc } from "effect/rpc"
import { TestClock } from "effect/testing"
import { expect, it } from "vitest"

const Releasing = Entity.make("Releasing", [
  /** The finalizer takes the given number of seconds. */
  Rpc.make("Hold", { payload: { seconds: Schema.Number } }),
  Rpc.make("HoldStream", { payload: { seconds: Schema.Number }, success: Schema.Number, stream: true })
])

/** The state of one handler. */
const make = Effect.gen(function* () {
  const began = yield* Deferred.make<void>()
  const released = yield* Deferred.make<void>()
  const hold = (seconds: number) =>
    Effect.andThen(Deferred.succeed(began, undefined), Effect.never).pipe(
      Effect.ensuring(Effect.andThen(Effect.sleep(`${seconds} seconds`), Deferred.succeed(released, undefined)))
    )
  const handlers = Releasing.of({
    Hold: ({ payload: { seconds } }) => hold(seconds),
    HoldStream: ({ payload: { seconds } }) => Stream.fromEffect(hold(seconds))
  })
  return { began, released, handlers }
})

/**
 * Interrupts a call whose finalizer takes the given number of seconds, and returns the events until the interrupt
 * returns.
 */
const interruptOf = (
  entity: typeof Releasing,
  task: "Hold" | "HoldStream",
  seconds: number,
  options?: Parameters<typeof ClusterEntity.client>[1]
) => {
  const messages: Array<string> = []
  const logging = Logger.layer([Logger.make(({ message }) => void messages.push(String(message)))])
  return Effect.gen(function* () {
    const { began, handlers, released } = yield* make
    const engine = entity.toLayer(handlers).pipe(Layer.provideMerge(TestRunner.layer))
    return yield* Effect.gen(function* () {
      const releasing = (yield* ClusterEntity.client(entity, options))("a")
      const call = task === "Hold" ? releasing.Hold({ seconds }) : Stream.runDrain(releasing.HoldStream({ seconds }))
      const calling = yield* Effect.forkChild(call)
      yield* Deferred.await(began)
      const before = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      yield* Fiber.interrupt(calling)
      const after = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      // The engine logs warnings of its own when it closes.
      return { millis: after - before, isReleased: yield* Deferred.isDone(released), messages: Array.from(messages) }
    }).pipe(Effect.provide(engine), Effect.scoped)
  }).pipe(Effect.raceFirst(passing), Effect.provide([logging, TestClock.layer()]), Effect.runPromise)
}

/** Time passes in steps of 100 ms, also while the engine closes. */
const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
const passing = Effect.forever(Effect.andThen(TestClock.adjust("100 millis"), turn))

const Better = ClusterEntity.from(Releasing)

it.each([
  { name: "alone", entity: Releasing, task: "Hold" },
  { name: "with from", entity: Better, task: "Hold" },
  { name: "of a stream", entity: Releasing, task: "HoldStream" }
] as const)("ClusterEntity.client $name waits for a finalizer of 3 seconds", async ({ entity, task }) => {
  const { isReleased, messages, millis } = await interruptOf(entity, task, 3)
  expect(isReleased).toBe(true)
  expect(millis).toBeGreaterThanOrEqual(3000)
  expect(millis).toBeLessThan(3500)
  expect(messages).toEqual([])
})

it.each([
  { name: "alone", entity: Releasing },
  { name: "with from", entity: Better }
])("ClusterEntity.client $name warns when a handler takes longer than waitAtMost", async ({ entity }) => {
  const { isReleased, messages, millis } = await interruptOf(entity, "Hold", 60, { waitAtMost: "4 seconds" })
  expect(isReleased).toBe(false)
  expect(millis).toBeGreaterThanOrEqual(4000)
  expect(millis).toBeLessThan(4500)
  expect(messages).toEqual([expect.stringContaining('the entity Releasing "a" was interrupted 4000 ms ago')])
})
