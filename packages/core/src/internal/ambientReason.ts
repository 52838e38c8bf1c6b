/**
 * The reason for which the current thread, or the current cancel scope in it, is being cancelled.
 *
 * Effect interrupts the fibers of its own combinators (`Effect.all`, `Effect.race`) without a reason. Such fibers are
 * still part of a thread, so a finalizer in a fiber like this sees the thread's reason.
 */
import * as Fiber from "effect/Fiber"

/** Gives a `CancelReason` or nothing. The type can't be named here, because its module imports this module. */
type Source = (fiber: Fiber.Fiber<unknown, unknown>) => unknown

let source: Source | undefined

/** Called once, by the module that knows the current thread. */
export const setSource = (f: Source): void => {
  source = f
}

export const current = (): unknown => {
  const fiber = Fiber.getCurrent()
  return fiber === undefined ? undefined : source?.(fiber)
}
