/**
 * Why the thread that runs right now, or the stretch of it, is being cancelled.
 *
 * Effect interrupts the fibers that its own combinators fork (`Effect.all`, `Effect.race`) without a reason. Those are
 * part of a thread all the same, so that a finalizer in them is told the thread's.
 */
import * as Fiber from "effect/Fiber"
import type { CancelReason } from "../CancelReason.ts"

type Source = (fiber: Fiber.Fiber<unknown, unknown>) => CancelReason | undefined

let source: Source | undefined

/** Said once, by the module that knows threads. */
export const setSource = (f: Source): void => {
  source = f
}

export const current = (): CancelReason | undefined => {
  const fiber = Fiber.getCurrent()
  return fiber === undefined ? undefined : source?.(fiber)
}
