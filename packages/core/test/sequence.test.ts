import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { atOnce, inOrder } from "../src/internal/sequence.ts"

describe("inOrder", () => {
  it.effect("runs one effect after another, and stops at the first failure", () =>
    Effect.gen(function* () {
      const log: Array<number> = []
      const step = (item: number) =>
        Effect.andThen(
          Effect.yieldNow,
          Effect.suspend(() => (log.push(item) === 3 ? Effect.die("third") : Effect.void))
        )
      const exit = yield* Effect.exit(inOrder([1, 2, 3, 4], step))
      expect(log).toEqual([1, 2, 3])
      expect(exit).toEqual(Exit.die("third"))
    })
  )
})

describe("atOnce", () => {
  it.effect("runs the effects at the same time", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(atOnce([Effect.sleep(50), Effect.sleep(70), Effect.sleep(60)]))
      yield* TestClock.adjust(69)
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      expect(fiber.pollUnsafe()).toEqual(Exit.void)
    })
  )

  it.effect("waits for all, and has the failures of all", () =>
    Effect.gen(function* () {
      const late = Effect.andThen(Effect.sleep(50), Effect.die("late"))
      const fiber = yield* Effect.forkChild(atOnce([Effect.die("early"), late, Effect.sleep(60)]))
      yield* TestClock.adjust(60)
      const exit = yield* Fiber.await(fiber)
      expect(Exit.isFailure(exit) && exit.cause.reasons).toEqual([
        Cause.makeDieReason("early"),
        Cause.makeDieReason("late")
      ])
    })
  )

  it.effect("interrupts each effect, and waits for the end of each", () =>
    Effect.gen(function* () {
      const log: Array<number> = []
      const cleaning = (item: number) =>
        Effect.ensuring(
          Effect.never,
          Effect.andThen(
            Effect.sleep(item),
            Effect.sync(() => void log.push(item))
          )
        )
      const fiber = yield* Effect.forkChild(atOnce([cleaning(50), cleaning(20)]), { startImmediately: true })
      yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust(49)
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      expect(log).toEqual([20, 50])
      expect(Exit.hasInterrupts(yield* Fiber.await(fiber))).toBe(true)
    })
  )

  it.effect("runs the effects uninterruptibly in an uninterruptible region", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.uninterruptible(atOnce([Effect.sleep(50)])), {
        startImmediately: true
      })
      fiber.interruptUnsafe()
      yield* TestClock.adjust(49)
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      expect(fiber.pollUnsafe()).toBeDefined()
    })
  )
})
