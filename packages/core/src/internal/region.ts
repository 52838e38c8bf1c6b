/**
 * A stretch of a fiber's work that can be interrupted by itself, with a reason, while the fiber goes on.
 *
 * Effect interrupts whole fibers only, so the work gets a fiber of its own; the outer one waits for it, inherits its
 * mask on to it, and hands its own interruption on, reason and all.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as CancelReason from "../CancelReason.ts"

/**
 * Runs `work`. `arm` is handed what interrupts it, before it begins, and gives back what disarms; that runs as soon as
 * the work has ended, and is told whether the outer fiber was interrupted as a whole. `then` makes the result of the
 * exit, in the same uninterruptible step.
 */
export const run = <A, E, R, B, E2>(
  work: Effect.Effect<A, E, R>,
  arm: (interrupt: (reason: CancelReason.CancelReason) => void) => (whole: boolean) => void,
  then: (exit: Exit.Exit<A, E>) => Effect.Effect<B, E2>
): Effect.Effect<B, E2, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.withFiber((outer) => {
      let inner: Fiber.Fiber<A, E> | undefined
      let early: CancelReason.CancelReason | undefined
      const disarm = arm((reason) => {
        if (inner === undefined) early ??= reason
        else inner.interruptUnsafe(outer.id, CancelReason.toAnnotations(reason))
      })
      if (early !== undefined) {
        disarm(false)
        return then(Exit.failCause(CancelReason.toCause(early)))
      }
      const body = Effect.withFiber((fiber) => {
        // The fiber that evaluates this is the one that was forked for it.
        inner = fiber as Fiber.Fiber<A, E>
        return restore(work)
      })
      return Effect.flatMap(Effect.forkDetach(body, { startImmediately: true, uninterruptible: "inherit" }), (fiber) =>
        Effect.flatMap(
          Effect.onExitPrimitive(restore(Fiber.await(fiber)), (exit) =>
            Exit.isSuccess(exit) ? undefined : handOn(fiber, exit, outer.id, disarm)
          ),
          (exit) => {
            disarm(false)
            return then(exit)
          }
        )
      )
    })
  )

/** The outer fiber was interrupted: so is the inner one, for the same reason, and waited for. */
const handOn = (
  fiber: Fiber.Fiber<unknown, unknown>,
  exit: Exit.Exit<unknown, unknown>,
  by: number,
  disarm: (whole: boolean) => void
): Effect.Effect<void> => {
  const reason = CancelReason.fromExit(exit)
  fiber.interruptUnsafe(by, Option.isSome(reason) ? CancelReason.toAnnotations(reason.value) : undefined)
  return Effect.flatMap(Fiber.await(fiber), (ended) => {
    disarm(true)
    return withoutInterrupts(ended)
  })
}

/** What failed besides the interruption, so that it is not lost with it. */
export const withoutInterrupts = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> => {
  if (Exit.isSuccess(exit)) return Effect.void
  const defects = exit.cause.reasons.filter(Cause.isDieReason)
  return defects.length === 0 ? Effect.void : Effect.failCause(Cause.fromReasons(defects))
}
