/** Work that other callers wait for, too. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/**
 * Runs an effect on a fiber without the caller's services. A caller may have a scheduler of its own that stops at any time,
 * and the effect would stop in the middle, with the permits that it has taken.
 *
 * *Cancellation*: the effect is interrupted and awaited.
 */
export const apart = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const fiber = Effect.runFork(effect)
    return Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber))
  })
