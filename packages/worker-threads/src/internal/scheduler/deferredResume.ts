/**
 * Resumes a woken fiber later, in a task of its own.
 *
 * Effect resumes a fiber inside the call that wakes it. If the resumed code is terminated, the waker's remaining work is
 * lost. A woken fiber is therefore queued, together with its result, and counts as running at once. An interrupted fiber
 * still ends at once, as in Effect: a waiting fiber must not be woken by mistake, and finalizers are not ended by force.
 *
 * It needs private parts of Effect (`effectInternals.ts`). If their trial fails, fibers are resumed as Effect does it.
 *
 * Invariants:
 * 1. A queued fiber counts as running: no other code can resume the fiber, and an interrupt is kept until its task has run.
 *    So the code up to the next wait of the fiber may see an aborted signal, and go on after the end of a mask.
 * 2. In such a task only the woken fiber runs, and the fibers that it starts.
 */
import type * as Scheduler from "effect/Scheduler"
import * as EffectInternals from "../wire/effectInternals.ts"

type AnyFiber = EffectInternals.AnyFiber

/** The key under which a scheduler with deferred resumes has its function for running a part of a fiber at once. */
export const key: "~@quiesce/worker-threads/DeferredResume" = "~@quiesce/worker-threads/DeferredResume"

export type OnTheSpot = (piece: () => void) => void

/** Runs a part of a fiber at once. Undefined for a scheduler without deferred resumes. */
export const onTheSpot = (scheduler: Scheduler.Scheduler): OnTheSpot | undefined =>
  (scheduler as { readonly [key]?: OnTheSpot | undefined })[key]

/** The fiber that is being resumed. Stale after an end by force, until the next deferred resume. */
let current: AnyFiber | undefined

let installed: { readonly problem: string | undefined } | undefined

/** Defers resumes in this thread from now on. Returns the problem if that is impossible, undefined otherwise. */
export const install = (): string | undefined =>
  (installed ??= { problem: EffectInternals.replaceEvaluate(deferred) }).problem

const deferred = (evaluate: EffectInternals.Evaluate): EffectInternals.Evaluate =>
  function evaluateDeferred(effect) {
    if (!EffectInternals.isWaiting(this) || this === current) return evaluate.call(this, effect)
    const run = onTheSpot(this.cache.scheduler)
    if (run === undefined) return evaluate.call(this, effect)
    if (EffectInternals.isInterruption(this, effect)) return run(evaluate.bind(this, effect))
    EffectInternals.hold(this)
    this.currentDispatcher.scheduleTask(() => resumeDeferred(this, effect, evaluate), 0)
  }

const resumeDeferred = (
  fiber: AnyFiber,
  effect: EffectInternals.AnyEffect,
  evaluate: EffectInternals.Evaluate
): void => {
  current = fiber
  EffectInternals.resumeHeld(fiber, effect, evaluate)
  current = undefined
}
