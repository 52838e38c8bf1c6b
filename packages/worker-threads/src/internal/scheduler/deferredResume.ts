/**
 * Gives a fiber that is woken a turn of its own.
 *
 * Effect runs a fiber where it is woken, within the call of whoever wakes it: an end by force of the one would take away
 * what the other had still to do, such as to wake others. Here it is put in line, with what it was woken with, and to all
 * who look it has gone on already. A fiber that is interrupted is ended on the spot, as Effect does it: what waits may
 * not be woken by mistake, and its finalizers are not ended by force.
 *
 * It needs private parts of Effect (`effectInternals.ts`). If their trial fails, fibers are resumed as Effect does it.
 *
 * Invariants:
 * 1. A fiber in line counts as running: nobody else lets it go on, and an interrupt is noted, for after its turn.
 * 2. In a turn only its fiber goes on, and those that it starts.
 */
import type * as Scheduler from "effect/Scheduler"
import * as EffectInternals from "../wire/effectInternals.ts"

type AnyFiber = EffectInternals.AnyFiber

/** Under this key a scheduler whose fibers are given turns has what runs a piece of a fiber on the spot. */
export const key: "~@quiesce/worker-threads/DeferredResume" = "~@quiesce/worker-threads/DeferredResume"

export type OnTheSpot = (piece: () => void) => void

/** How a scheduler runs pieces on the spot; undefined for one whose fibers are given no turns. */
export const onTheSpot = (scheduler: Scheduler.Scheduler): OnTheSpot | undefined =>
  (scheduler as { readonly [key]?: OnTheSpot | undefined })[key]

/** The fiber whose turn it is; stale after an end by force, until the next turn. */
let current: AnyFiber | undefined

let installed: { readonly problem: string | undefined } | undefined

/** Gives turns in this thread from now on. Says why they can't be given; undefined if they are. */
export const install = (): string | undefined =>
  (installed ??= { problem: EffectInternals.replaceEvaluate(inTurn) }).problem

const inTurn = (evaluate: EffectInternals.Evaluate): EffectInternals.Evaluate =>
  function evaluateDeferred(effect) {
    if (!EffectInternals.isWaiting(this) || this === current) return evaluate.call(this, effect)
    const run = onTheSpot(this.cache.scheduler)
    if (run === undefined) return evaluate.call(this, effect)
    if (EffectInternals.isInterruption(this, effect)) return run(() => evaluate.call(this, effect))
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
