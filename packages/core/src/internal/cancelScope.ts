/**
 * Runs part of a fiber's work so that this part can be interrupted alone, with a reason, while the fiber goes on.
 *
 * Effect interrupts whole fibers only, so the work gets an inner fiber and the outer fiber waits for the inner one. The
 * inner fiber inherits the outer fiber's interruptibility, and the outer fiber forwards its interruption, with the reason.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as CancelReason from "../CancelReason.ts"
import { type CancelScope, CurrentCancelScope, CurrentNode } from "./currentThread.ts"
import type { ThreadNode } from "./threadNode.ts"

export { type CancelScope, CurrentCancelScope } from "./currentThread.ts"

/**
 * Runs `work` in a cancel scope. `arm` is called before the work begins, with a function that interrupts the work, and
 * returns a function that disarms. The latter is called as soon as the work has ended; its argument says whether the
 * outer fiber was interrupted as a whole. `then` makes the result from the exit, in the same uninterruptible step.
 */
export const run = <A, E, R, B, E2>(
  work: Effect.Effect<A, E, R>,
  arm: (interrupt: (reason: CancelReason.CancelReason) => void) => (interruptedAsWhole: boolean) => void,
  then: (exit: Exit.Exit<A, E>) => Effect.Effect<B, E2>
): Effect.Effect<B, E2, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(pending, ([reason, wasCancelled]) =>
      Effect.withFiber((outer) => {
        const inner = new Inner<A, E>(outer, wasCancelled)
        const disarm = arm((reason) => inner.interrupt(reason))
        if (inner.early !== undefined) {
          disarm(false)
          return then(Exit.failCause(CancelReason.toCause(inner.early)))
        }
        if (reason !== undefined) inner.interrupt(reason)
        return Effect.flatMap(inner.fork(restore(work)), (fiber) =>
          Effect.flatMap(
            Effect.onExitPrimitive(restore(Fiber.await(fiber)), (exit) =>
              Exit.isSuccess(exit) ? undefined : inner.propagate(exit, disarm)
            ),
            (exit) => {
              inner.leave()
              disarm(false)
              return then(exit)
            }
          )
        )
      })
    )
  )

/**
 * The reason of an interrupt that waits for the end of the mask around this, if there is one, and whether the thread
 * had been cancelled when that was looked at.
 */
const pending: Effect.Effect<readonly [CancelReason.CancelReason | undefined, boolean]> = Effect.withFiber((fiber) => {
  const wasCancelled = fiber.getRef(CurrentNode).isCancelled
  return Effect.map(Effect.exit(Effect.interruptible(Effect.void)), (exit) => [
    Exit.isFailure(exit) ? CancelReason.firstOfCause(exit.cause) : undefined,
    wasCancelled
  ])
})

/** The fiber of the work. */
class Inner<A, E> implements CancelScope {
  /** The reason of an interrupt that came before the work could begin. */
  early: CancelReason.CancelReason | undefined = undefined
  readonly node: ThreadNode
  reason: CancelReason.CancelReason | undefined = undefined
  private readonly outer: Fiber.Fiber<unknown, unknown>
  private readonly wasCancelled: boolean
  private fiber: Fiber.Fiber<A, E> | undefined = undefined
  private propagated: CancelReason.CancelReason | undefined = undefined

  constructor(outer: Fiber.Fiber<unknown, unknown>, wasCancelled: boolean) {
    this.outer = outer
    this.node = outer.getRef(CurrentNode)
    this.wasCancelled = wasCancelled
  }

  interrupt(reason: CancelReason.CancelReason): void {
    this.reason ??= reason
    if (this.fiber === undefined) this.early ??= reason
    else this.fiber.interruptUnsafe(this.outer.id, CancelReason.toAnnotations(reason))
  }

  /**
   * What cancels the thread reaches this fiber directly, as it would the outer one: under the mask of just this place.
   * That is so for the thread's own fiber only; those that Effect's combinators fork, in a release too, have masks that
   * are not the thread's, and hear of it from them.
   */
  fork<R>(work: Effect.Effect<A, E, R>): Effect.Effect<Fiber.Fiber<A, E>, never, R> {
    const body = Effect.withFiber((fiber) => {
      // The fiber that evaluates this is the one that was forked for it.
      this.attach(fiber as Fiber.Fiber<A, E>)
      fiber.setContext(Context.add(fiber.context, CurrentCancelScope, this))
      return work
    })
    return Effect.map(Effect.forkDetach(body, { startImmediately: true, uninterruptible: "inherit" }), (fiber) => {
      this.attach(fiber)
      return fiber
    })
  }

  /** Whichever knows the fiber first: the fiber itself, or the one that forked it. */
  private attach(fiber: Fiber.Fiber<A, E>): void {
    if (this.fiber !== undefined) return
    this.fiber = fiber
    const own = this.node.innerFibersOf(this.outer)
    own?.set(fiber, (reason) => this.cancel(reason))
    if (this.early !== undefined) this.interrupt(this.early)
    // A cancel may have come while the fibers changed over.
    else if (own !== undefined && !this.wasCancelled && this.node.isCancelled) this.cancel(this.node.reason!)
  }

  private cancel(reason: CancelReason.CancelReason): void {
    this.propagated ??= reason
    this.interrupt(reason)
  }

  /** The outer fiber was interrupted: so is this one, for the same reason, and waited for. */
  propagate(exit: Exit.Exit<unknown, unknown>, disarm: (interruptedAsWhole: boolean) => void): Effect.Effect<void> {
    // It was forked before the outer fiber began to wait for it.
    const fiber = this.fiber!
    const reason = Option.getOrUndefined(CancelReason.fromExit(exit))
    if (reason === undefined) fiber.interruptUnsafe(this.outer.id)
    else if (reason !== this.propagated) this.interrupt(reason)
    return Effect.flatMap(Fiber.await(fiber), (ended) => {
      this.leave()
      disarm(true)
      return withoutInterrupts(ended)
    })
  }

  leave(): void {
    if (this.fiber !== undefined) this.node.innerFibers?.delete(this.fiber)
  }
}

/** What failed besides the interruption, so that it is not lost with it. */
export const withoutInterrupts = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> => {
  if (Exit.isSuccess(exit)) return Effect.void
  const defects = exit.cause.reasons.filter(Cause.isDieReason)
  return defects.length === 0 ? Effect.void : Effect.failCause(Cause.fromReasons(defects))
}
