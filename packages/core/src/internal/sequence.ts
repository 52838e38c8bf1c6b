/**
 * Effects one after another, and at the same time.
 *
 * `Effect.forEach` and `Effect.all` do the same and much more. Both together are a tenth of a program with threads and
 * leases in a bundle.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"

/** Runs the effect of each item, one after another. */
export const inOrder = <A>(items: ReadonlyArray<A>, f: (item: A) => Effect.Effect<unknown>): Effect.Effect<void> =>
  Effect.suspend(() => {
    let index = 0
    return Effect.whileLoop({
      while: () => index < items.length,
      body: () => f(items[index++]!),
      step: () => {}
    })
  })

/**
 * Runs effects at the same time, and waits for all of them, also if one has failed. The result has the failures of all.
 *
 * *Cancellation*: each effect is interrupted and awaited.
 */
export const atOnce = (effects: ReadonlyArray<Effect.Effect<unknown>>): Effect.Effect<void> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.suspend(() => {
      const fibers: Array<Fiber.Fiber<unknown>> = []
      const forks = inOrder(effects, (effect) =>
        Effect.map(
          Effect.forkDetach(restore(effect), { startImmediately: true, uninterruptible: "inherit" }),
          (fiber) => fibers.push(fiber)
        )
      )
      const ends = inOrder(fibers, Fiber.await)
      const interrupted = Effect.suspend(() => {
        for (const fiber of fibers) fiber.interruptUnsafe()
        return ends
      })
      return Effect.andThen(
        Effect.andThen(
          forks,
          Effect.onExitPrimitive(restore(ends), (exit) => (Exit.isSuccess(exit) ? undefined : interrupted))
        ),
        // Each fiber has ended.
        Effect.suspend(() => Exit.asVoidAll(fibers.map((fiber) => fiber.pollUnsafe()!)))
      )
    })
  )
