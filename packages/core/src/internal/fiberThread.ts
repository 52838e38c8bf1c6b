/**
 * The adapter onto fibers: a thread is one fiber. A fiber can't be ended by force.
 *
 * Invariants:
 * 1. The node is in the tree before its fiber exists, and the fiber is attached in its first step.
 * 2. The body ends first, then the children, then the leases of the body's scope.
 * 3. `node.ownFiber` runs the thread now: first the fiber of the body, then a second fiber if there is something to clean
 *    up. A thread that holds nothing has no second fiber.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as CancelReason from "../CancelReason.ts"
import type { ThreadControls } from "./threadControls.ts"
import * as AsyncContext from "./asyncContext.ts"
import * as Climb from "./climb.ts"
import * as FiberInterrupt from "./fiberInterrupt.ts"
import * as Ladder from "./ladder.ts"
import * as Nesting from "./nesting.ts"
import * as RemainingReleases from "./remainingReleases.ts"
import { Settlement } from "./settlement.ts"
import * as Abandonment from "./abandonment.ts"
import { CurrentNode } from "./currentThread.ts"
import * as Tracing from "./tracing.ts"
import { noteStep, type ThreadNode } from "./threadNode.ts"
import { cancelReasonsOf } from "./threadState.ts"

const none: Option.Option<never> = /* @__PURE__ */ Option.none()

export class FiberControls<A, E> extends Settlement<A, E> implements ThreadControls<A, E> {
  /** Whether the fiber was interrupted with the first reason. */
  private isNotified = false
  /** The context of the spawn, from then until the body begins. A thread that is interrupted meanwhile has no fiber. */
  private waiting: Context.Context<never> | undefined

  get unwind(): Option.Option<never> {
    return none
  }

  get kill(): Option.Option<never> {
    return none
  }

  get locate(): Effect.Effect<Option.Option<string>> {
    return Effect.succeedNone
  }

  requestStop(): Effect.Effect<void> {
    return Effect.void
  }

  requestInterrupt(reason: CancelReason.CancelReason): Effect.Effect<void> {
    return Effect.withFiberSucceed((by) => this.interruptUnsafe(reason, by.id))
  }

  /** The fiber gets the first reason first, even when a later request has overtaken the first one. */
  interruptUnsafe(reason: CancelReason.CancelReason, by: number): void {
    if (!Nesting.enter()) return this.interruptLater(reason, by)
    try {
      this.interruptNow(reason, by)
    } finally {
      Nesting.leave()
    }
  }

  // The functions that make steps for later stand alone: V8 makes the context of a closure at each call of the function
  // around, even when that call does not make the closure.

  private interruptLater(reason: CancelReason.CancelReason, by: number): void {
    Nesting.later(() => this.interruptUnsafe(reason, by))
  }

  private bodyEndedLater(fiber: Fiber.Fiber<A, E>, exit: Exit.Exit<A, E>): void {
    Nesting.later(() => this.bodyEnded(fiber, exit))
  }

  private endedLater(exit: Exit.Exit<A, E>, context: Context.Context<never>): void {
    Nesting.later(() => this.ended(exit, context))
  }

  private interruptNow(reason: CancelReason.CancelReason, by: number): void {
    const { node } = this
    const first = node.reason ?? reason
    const { waiting } = this
    if (waiting !== undefined) {
      this.waiting = undefined
      return this.settleNow(FiberInterrupt.way().exit(first, by, waiting), waiting)
    }
    const fiber = node.ownFiber
    if (fiber !== undefined) {
      const { interrupt } = FiberInterrupt.way()
      if (!this.isNotified) interrupt(fiber, first, by)
      if (reason !== first) interrupt(fiber, reason, by)
      this.isNotified = true
    }
    if (node.innerFibers === undefined) return
    // From the outside in: an outer fiber must be cancelled before it can see the end of an inner fiber.
    for (const propagate of Array.from(node.innerFibers.values())) {
      propagate(first)
      if (reason !== first) propagate(reason)
    }
  }

  abandon(exit: Exit.Exit<never, never>): void {
    Abandonment.list?.add(this.node)
    this.settle(exit, true, this.node.ownFiber?.context)
  }

  /** Attaches the fiber of the body to the node. The first call counts. */
  attach(fiber: Fiber.Fiber<A, E>): void {
    if (this.node.ownFiber !== undefined) return
    this.node.ownFiber = fiber
    fiber.addObserver((exit) => this.bodyEnded(fiber, exit))
  }

  /** Runs the body in a fiber, up to its first wait. `context` is the spawning fiber's. */
  start<R>(effect: Effect.Effect<A, E, R>, context: Context.Context<never>): void {
    const { node } = this
    this.waiting = undefined
    const own = Context.add(Context.add(context, CurrentNode, node), Scope.Scope, node.scope)
    // The context has all services that the effect requires.
    const fiber = Effect.runForkWith(own)(this.body(effect as Effect.Effect<A, E>))
    // A scheduler can make the fiber wait before its first step.
    if (node.isAlive) this.attach(fiber)
  }

  /** Runs the body when the fibers that were forked before have run. Effect would make the fiber now, and start it then. */
  startLater<R>(effect: Effect.Effect<A, E, R>, by: Fiber.Fiber<unknown, unknown>): void {
    const { context } = by
    this.waiting = context
    const start = AsyncContext.keep(() => {
      if (this.waiting !== undefined) this.start(effect, context)
    })
    by.currentDispatcher.scheduleTask(start, 0)
  }

  /** The effect of the fiber. */
  private body(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.withFiber((fiber) => {
      // The current fiber is the fiber that was forked for this body.
      this.attach(fiber as Fiber.Fiber<A, E>)
      const state = this.node.state
      if (state._tag === "Cancelled") return Effect.failCause(CancelReason.toCause(state.reason))
      noteStep?.({ _tag: "Started", node: this.node })
      return Tracing.isTraced(fiber) ? Tracing.inThreadSpan(this.node, fiber, effect) : effect
    })
  }

  /** The fiber's context is still the body's here. */
  private bodyEnded(fiber: Fiber.Fiber<A, E>, exit: Exit.Exit<A, E>): void {
    if (!Nesting.enter()) return this.bodyEndedLater(fiber, exit)
    try {
      this.cleanUp(fiber, exit)
    } finally {
      Nesting.leave()
    }
  }

  /** Runs in the step of `bodyEnded`. Without a cleanup, the thread ends in that step, too. */
  private cleanUp({ context }: Fiber.Fiber<A, E>, exit: Exit.Exit<A, E>): void {
    const cleanup = this.node.firstChild === undefined ? this.closeScope(exit) : this.endAndClose(exit)
    if (cleanup === undefined) this.settleNow(exit, context)
    else this.forkCleanup(cleanup, exit, context)
  }

  private forkCleanup(cleanup: Effect.Effect<void>, exit: Exit.Exit<A, E>, context: Context.Context<never>): void {
    const masked = Effect.uninterruptible(
      Effect.withFiber((fiber) => {
        this.cleanIn(fiber as Fiber.Fiber<never>)
        return cleanup
      })
    )
    Effect.runForkWith(context)(masked).addObserver((cleaned) => this.cleaned(afterCleanup(exit, cleaned), context))
  }

  /** A finalizer that is no effect ends the cleaning fiber in the middle. The leases after the finalizer are still due. */
  private cleaned(exit: Exit.Exit<A, E>, context: Context.Context<never>): void {
    const isClean = Exit.isSuccess(exit) || this.node.account?.latest === undefined || !this.node.isAlive
    const due = isClean ? [] : RemainingReleases.behindBrokenFinalizer(this.node)
    if (due.length === 0) return this.ended(exit, context)
    const rest = RemainingReleases.run(this.node, due, exit, Infinity)
    Effect.runForkWith(context)(rest).addObserver(() => this.ended(exit, context))
  }

  /** The cleaning fiber is interrupted as the body's fiber was, so that an interruptible part of a release ends. */
  private cleanIn(fiber: Fiber.Fiber<never>): void {
    const { node } = this
    node.ownFiber = fiber
    node.phase = "cleanup"
    noteStep?.({ _tag: "CleaningUp", node })
    if (!node.isCancelled) return
    for (const reason of cancelReasonsOf(node.state))
      fiber.interruptUnsafe(undefined, CancelReason.toAnnotations(reason))
    this.isNotified = true
  }

  private ended(exit: Exit.Exit<A, E>, context: Context.Context<never>): void {
    if (!Nesting.enter()) return this.endedLater(exit, context)
    try {
      this.settleNow(exit, context)
    } finally {
      Nesting.leave()
    }
  }

  private settleNow(exit: Exit.Exit<A, E>, context: Context.Context<never>): void {
    // Frees the fiber and its effect while a handle on the thread is kept.
    this.node.ownFiber = undefined
    if (!this.node.isAlive) Abandonment.list?.delete(this.node)
    this.settle(exit, false, context)
  }

  private endAndClose(exit: Exit.Exit<A, E>): Effect.Effect<void> {
    // The scope closes even if a child's adapter has thrown.
    return Effect.ensuring(
      this.endChildren(exit),
      Effect.suspend(() => this.closeScope(exit) ?? Effect.void)
    )
  }

  /** A release can spawn into an outer scope, so there may be children again after the close. */
  private closeScope(exit: Exit.Exit<A, E>): Effect.Effect<void> | undefined {
    const closed = Scope.closeUnsafe(this.node.scope, exit)
    return closed === undefined ? undefined : Effect.ensuring(closed, this.endChildren(exit))
  }

  private endChildren(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const node = this.node
      if (node.firstChild === undefined) return Effect.void
      return Climb.endAll([...node.children()], Ladder.reasonOfEnd(exit, node, node.clock.currentTimeMillisUnsafe()))
    })
  }
}

/** The exit of a thread, from the exits of its body and of its cleanup. */
const afterCleanup = <A, E>(exit: Exit.Exit<A, E>, cleaned: Exit.Exit<void>): Exit.Exit<A, E> => {
  if (Exit.isSuccess(cleaned)) return exit
  if (Exit.isSuccess(exit)) return Exit.failCause(cleaned.cause)
  // The cleaning fiber began with the body's reasons, so its cause repeats them.
  const known = CancelReason.allFromCause(exit.cause)
  const fresh = cleaned.cause.reasons.filter(
    (entry) =>
      !Cause.isInterruptReason(entry) || !known.includes(CancelReason.firstOfCause(Cause.fromReasons([entry]))!)
  )
  return fresh.length === 0 ? exit : Exit.failCause(Cause.fromReasons([...exit.cause.reasons, ...fresh]))
}

/**
 * Puts a node into the tree and starts its fiber: at once, or after the current step of `by`. Both in one step, so that the
 * caller needs no mask.
 */
export const fork = <A, E, R>(
  node: ThreadNode<A, E>,
  effect: Effect.Effect<A, E, R>,
  by: Fiber.Fiber<unknown, unknown>,
  startImmediately: boolean
): Exit.Exit<ThreadNode<A, E>> => {
  const controls = new FiberControls<A, E>(node)
  node.controls = controls
  node.parentNode?.adopt(node)
  if (startImmediately) controls.start(effect, by.context)
  else controls.startLater(effect, by)
  return Exit.succeed(node)
}
