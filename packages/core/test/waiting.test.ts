import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { endOf, type Listen, within } from "../src/internal/waiting.ts"
import { makeHand } from "./support.ts"

/** An event with its listeners. */
const makeEvent = () => {
  const listeners = new Set<() => void>()
  const listen: Listen = (done) => {
    listeners.add(done)
    return () => void listeners.delete(done)
  }
  const fire = () => {
    for (const done of listeners) done()
  }
  return { fire, listen, listeners }
}

describe("within", () => {
  it.effect("is true if the event comes in time, and leaves no timer", () =>
    Effect.gen(function* () {
      const { fire, listen } = makeEvent()
      const fiber = yield* Effect.forkChild(within(listen, 50), { startImmediately: true })
      yield* TestClock.adjust(49)
      fire()
      expect(yield* Fiber.join(fiber)).toBe(true)
    })
  )

  it.effect("is true at once if the event has come, and starts no timer", () =>
    Effect.gen(function* () {
      const { hand, provided } = makeHand()
      const ended = yield* Effect.forkChild(Effect.void, { startImmediately: true })
      expect(yield* provided(within(endOf(ended), 50))).toBe(true)
      expect(hand.slept).toEqual([])
    })
  )

  it.effect("is false after the time, and withdraws its listener", () =>
    Effect.gen(function* () {
      const { listen, listeners } = makeEvent()
      const fiber = yield* Effect.forkChild(within(listen, 50), { startImmediately: true })
      yield* TestClock.adjust(49)
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      expect(yield* Fiber.join(fiber)).toBe(false)
      expect(listeners.size).toBe(0)
    })
  )

  it.effect("waits without limit for an infinite time", () =>
    Effect.gen(function* () {
      const { fire, listen } = makeEvent()
      const fiber = yield* Effect.forkChild(within(listen, Infinity), { startImmediately: true })
      yield* TestClock.adjust("100 days")
      expect(fiber.pollUnsafe()).toBeUndefined()
      fire()
      expect(yield* Fiber.join(fiber)).toBe(true)
    })
  )

  it.effect("withdraws its listener when it is interrupted", () =>
    Effect.gen(function* () {
      const { listen, listeners } = makeEvent()
      const fiber = yield* Effect.forkChild(within(listen, 50), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      expect(listeners.size).toBe(0)
    })
  )
})
