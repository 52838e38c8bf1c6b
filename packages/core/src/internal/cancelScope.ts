/**
 * Runs part of a fiber's work. The part can be interrupted alone, with a reason, while the fiber goes on.
 *
 * Effect interrupts whole fibers only, so the work gets an inner fiber and the outer fiber waits for the inner one. The
 * inner fiber inherits the outer fiber's interruptibility, and the outer fiber forwards its interruption, with the reason.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as CancelReason from "../CancelReason.ts"
import { reasonOfExit } from "./exitReason.ts"
import { type CancelScope, CurrentCancelScope, CurrentNode } from "./currentThread.ts"
import type { ThreadNode } from "./threadNode.ts"

export { type CancelScope, CurrentCancelScope } from "./currentThread.ts"

/**
 * Runs `work` in a cancel scope. `arm` is called before the work begins, with a function that interrupts the work, and
 * returns a function that disarms. The latter is called as soon as the work has ended; its argument says whether the
 * outer fiber was interrupted as a whole. `then` makes the result from the exit, in the same uninterruptible step. An
 * interrupted outer fiber gets the failures of the work's finalizers, too.
 */
export const run = <A, E, R, B, E2>(
  work: Effect.Effect<A, E, R>,
  arm: (interrupt: (reason: CancelReason.CancelReason) => void) => (interruptedAsWhole: boolean) => void,
  then: (exit: Exit.Exit<A, E>) => Effect.Effect<B, E2>
): Effect.Effect<B, E | E2, R> =>
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
 * The reason of a pending interrupt, which waits for the end of the surrounding mask, and whether the thread was already
 * cancelled at the time of the check.
 */
const pending: Effect.Effect<readonly [CancelReason.CancelReason | undefined, boolean]> =
  /* @__PURE__ */ Effect.withFiber((fiber) => {
    const wasCancelled = fiber.getRef(CurrentNode).isCancelled
    return Effect.map(Effect.exit(Effect.interruptible(Effect.void)), (exit) => [
      Exit.isFailure(exit) ? CancelReason.firstOfCause(exit.cause) : undefined,
      wasCancelled
    ])
  })

/** The fiber of the work. */
class Inner<A, E> implements CancelScope {
  /** The reason of an interrupt from before the work could begin. */
  early: CancelReason.CancelReason | undefined
  readonly node: ThreadNode
  reason: CancelReason.CancelReason | undefined
  private readonly outer: Fiber.Fiber<unknown, unknown>
  private readonly wasCancelled: boolean
  private fiber: Fiber.Fiber<A, E> | undefined
  private propagated: CancelReason.CancelReason | undefined

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
   * A cancel of the thread interrupts the inner fiber directly, under the mask of just this place, if the outer fiber is
   * the thread's own. The fibers of Effect's combinators have masks of their own, in a release too. A cancel reaches an
   * inner fiber in such a fiber through the outer one.
   */
  fork<R>(work: Effect.Effect<A, E, R>): Effect.Effect<Fiber.Fiber<A, E>, never, R> {
    const body = Effect.withFiber((fiber) => {
      // The current fiber is the fiber that was forked for this body.
      this.attach(fiber as Fiber.Fiber<A, E>)
      fiber.setContext(Context.add(fiber.context, CurrentCancelScope, this))
      return work
    })
    return Effect.map(Effect.forkDetach(body, { startImmediately: true, uninterruptible: "inherit" }), (fiber) => {
      this.attach(fiber)
      return fiber
    })
  }

  /** Called by the inner fiber and by the outer fiber. The first call counts. */
  private attach(fiber: Fiber.Fiber<A, E>): void {
    if (this.fiber !== undefined) return
    this.fiber = fiber
    const own = innerFibersOf(this.node, this.outer)
    own?.set(fiber, (reason) => this.cancel(reason))
    if (this.early !== undefined) this.interrupt(this.early)
    // A cancel may have come while the fibers changed over.
    else if (own !== undefined && !this.wasCancelled && this.node.isCancelled) this.cancel(this.node.reason!)
  }

  private cancel(reason: CancelReason.CancelReason): void {
    this.propagated ??= reason
    this.interrupt(reason)
  }

  /** Called when the outer fiber was interrupted: interrupts the inner fiber for the same reason, and waits for its end. */
  propagate(exit: Exit.Exit<unknown, unknown>, disarm: (interruptedAsWhole: boolean) => void): Effect.Effect<void, E> {
    // The fork comes before the outer fiber's wait.
    const fiber = this.fiber!
    const reason = reasonOfExit(exit)
    if (reason === undefined) fiber.interruptUnsafe(this.outer.id)
    else if (reason !== this.propagated) this.interrupt(reason)
    return Effect.flatMap(Fiber.await(fiber), (ended) => {
      this.leave()
      disarm(true)
      return failures(ended)
    })
  }

  leave(): void {
    if (this.fiber !== undefined) this.node.innerFibers?.delete(this.fiber)
  }
}

/**
 * The map for a fiber that `outer` starts in the thread. Undefined if `outer` is neither the thread's own fiber nor in the
 * map. Such a fiber has a mask of its own, and a cancel reaches the fiber through its parent fiber.
 */
export const innerFibersOf = (node: ThreadNode, outer: object): ThreadNode["innerFibers"] => {
  if (outer !== node.ownFiber && node.innerFibers?.has(outer) !== true) return undefined
  return (node.innerFibers ??= new Map())
}

/**
 * Fails with the failures of an exit, without its interrupts or beside them, so that no failure of a finalizer is lost with an
 * interruption. Succeeds without a failure.
 */
export const failures = <E>(exit: Exit.Exit<unknown, E>, withInterrupts?: boolean): Effect.Effect<void, E> => {
  if (Exit.isSuccess(exit)) return Effect.void
  const reasons = exit.cause.reasons.filter((reason) => !Cause.isInterruptReason(reason))
  if (reasons.length === 0) return Effect.void
  return withInterrupts ? exit : Effect.failCause(Cause.fromReasons(reasons))
}
