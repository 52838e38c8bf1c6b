/**
 * Interrupts the fibers of threads.
 *
 * A program with groups or maps of threads uses a way that is faster for many fibers at once: `sharedCauses` in
 * `effectInternals.ts`. A program without groups and maps has no code for that way in its bundle.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { CurrentStackFrame } from "effect/References"
import * as CancelReason from "../CancelReason.ts"

/** A way to interrupt fibers. `by` is the id of the fiber that asks. */
export interface Way {
  readonly interrupt: (fiber: Fiber.Fiber<unknown, unknown>, reason: CancelReason.CancelReason, by: number) => void
  /**
   * The exit of a fiber that is interrupted before its first step. `context` is the fiber's. The exit is the same as that
   * of `interrupt`, without a fiber.
   */
  readonly exit: (reason: CancelReason.CancelReason, by: number, context: Context.Context<never>) => Exit.Exit<never>
}

/** Each fiber gets a Cause of its own. */
export const ownCauses: Way = {
  interrupt: (fiber, reason, by) => fiber.interruptUnsafe(by, CancelReason.toAnnotations(reason)),
  exit: (reason, by, context) => {
    const frame = Context.get(context, CurrentStackFrame)
    const interrupt = Cause.interrupt(by)
    // The annotations of a Cause are typed as a context of no services.
    const traced =
      frame === undefined
        ? interrupt
        : Cause.annotate(interrupt, Context.makeUnsafe(new Map([[Cause.StackTrace.key, frame]])))
    return Exit.failCause(Cause.annotate(traced, CancelReason.toAnnotations(reason)))
  }
}

let chosen: () => Way = () => ownCauses

/** Called by each module whose users interrupt many threads at once. `next` gives the same way each time. */
export const choose = (next: () => Way): void => {
  chosen = next
}

/** The way of this program. */
export const way = (): Way => chosen()
