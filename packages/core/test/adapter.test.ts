import { describe, expect, it } from "@effect/vitest"
import { CancelReason, Deadline, Thread } from "@quiesce/core"
import * as ThreadAdapter from "@quiesce/core/adapter"
import { Effect, Exit, Fiber, Latch, Scope } from "effect"
import { messages, settle } from "./support.ts"

const why = CancelReason.shutdown({ message: "Tea time" })

/** Never ends, and records the reason of its interruption. */
const noting = (seen: Array<string>) =>
  Effect.onExit(Effect.never, (exit) => Effect.sync(() => seen.push(...messages(exit))))

/** A thread that waits for a fiber of other code. */
const around = Effect.fnUntraced(function* (work: Effect.Effect<unknown, unknown>) {
  let fiber: Fiber.Fiber<unknown, unknown> | undefined
  const thread = yield* Thread.spawn(
    Effect.gen(function* () {
      fiber = Effect.runForkWith(yield* Effect.context<never>())(work)
      ThreadAdapter.extendTo(yield* Thread.current, fiber)
      yield* Effect.onInterrupt(Effect.never, () => Effect.asVoid(Fiber.await(fiber!)))
    })
  )
  yield* settle
  return { thread, fiber: fiber! }
})

describe("ThreadAdapter.extendTo", () => {
  it.effect("interrupts the fiber with the thread, for its reason", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { thread } = yield* around(noting(seen))
      yield* Thread.interrupt(thread, { reason: why })
      expect(seen).toEqual(["Tea time"])
    }).pipe(Effect.scoped)
  )

  it.effect("reaches the cancel scopes in the fiber under the mask of each place", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const gate = yield* Latch.make()
      const scope = Effect.uninterruptibleMask((restore) =>
        Effect.andThen(Effect.exit(Deadline.within(restore(noting(seen)), "1 hour")), gate.await)
      )
      // The cancel scope opens when the fiber is a part of the thread.
      const { thread } = yield* around(Effect.andThen(Effect.yieldNow, scope))
      const interrupting = yield* Effect.forkChild(Thread.interrupt(thread, { reason: why }), {
        startImmediately: true
      })
      yield* settle
      expect(seen).toEqual(["Tea time"])
      expect(interrupting.pollUnsafe()).toBeUndefined()
      yield* gate.open
      yield* Fiber.join(interrupting)
    }).pipe(Effect.scoped)
  )

  it.effect("interrupts the fiber at once if the thread was already cancelled", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const thread = yield* Thread.spawn(
        Effect.onInterrupt(Effect.never, () =>
          Effect.gen(function* () {
            const fiber = Effect.runForkWith(yield* Effect.context<never>())(noting(seen))
            ThreadAdapter.extendTo(yield* Thread.current, fiber)
            yield* Fiber.await(fiber)
          }).pipe(Effect.orDie)
        )
      )
      yield* settle
      yield* Thread.interrupt(thread, { reason: why })
      expect(seen).toEqual(["Tea time"])
    }).pipe(Effect.scoped)
  )

  it.effect("does not affect a fiber of an ended thread", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.void)
      yield* Thread.join(thread)
      const fiber = yield* Effect.forkChild(Effect.never, { startImmediately: true })
      ThreadAdapter.extendTo(thread, fiber)
      yield* Thread.interrupt(thread, { reason: why })
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.scoped)
  )
})

describe("ThreadAdapter.spawn", () => {
  it.effect("leaves nothing in the scope when the adapter can't start the thread", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const failing = ThreadAdapter.spawn<never, never, string, never>(() => Effect.fail("no"))
      expect(yield* Effect.exit(Scope.provide(failing, scope))).toEqual(Exit.fail("no"))
      expect(scope.state._tag).toBe("Empty")
      yield* Scope.close(scope, Exit.void)
    })
  )
})
