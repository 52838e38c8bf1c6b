/**
 * Gives a fiber that is woken a turn of its own.
 *
 * Effect runs a fiber where it is woken, within the call of whoever wakes it: an end by force of the one would take away
 * what the other had still to do, such as to wake others. Here it is put in line, with what it was woken with, and to all
 * who look it has gone on already. A fiber that is interrupted is ended on the spot, as Effect does it: what waits may
 * not be woken by mistake, and its finalizers are not ended by force.
 *
 * It rests on internals of Effect (`evaluate`, `_yielded`, `_running`, `_deferredInterrupt`), so it first tries them out
 * and, where they are not as expected, leaves them alone.
 *
 * Invariants:
 * 1. A fiber in line counts as running: nobody else lets it go on, and an interrupt is noted, for after its turn.
 * 2. In a turn only its fiber goes on, and those that it starts.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"

/** Under this key a scheduler whose fibers are given turns has what runs a piece of a fiber on the spot. */
export const key: "~@quiesce/worker-threads/Turns" = "~@quiesce/worker-threads/Turns"

export type OnTheSpot = (piece: () => void) => void

/** How a scheduler runs pieces on the spot; undefined for one whose fibers are given no turns. */
export const onTheSpot = (scheduler: Scheduler.Scheduler): OnTheSpot | undefined =>
  (scheduler as { readonly [key]?: OnTheSpot | undefined })[key]

type AnyEffect = Effect.Effect<unknown, unknown>

/** What Effect keeps of a fiber, as far as it is touched here. */
interface Internals extends Fiber.Fiber<unknown, unknown> {
  readonly interruptible: boolean
  /** Undoes what it waits for; undefined unless it waits. */
  readonly _yielded: unknown
  _interruptedCause: Cause.Cause<never> | undefined
  _running: boolean
  _deferredInterrupt: boolean
  evaluate: (effect: AnyEffect) => void
}

/** What all fibers share. */
interface Prototype {
  evaluate: Internals["evaluate"]
}

/** The fiber whose turn it is; stale after an end by force, until the next turn. */
let current: Internals | undefined

let installed: { readonly problem: string | undefined } | undefined

/** Gives turns in this thread from now on. Says why they can't be given; undefined if they are. */
export const install = (): string | undefined => (installed ??= { problem: patch() }).problem

const patch = (): string | undefined => {
  const prototype = Object.getPrototypeOf(Effect.runFork(Effect.void)) as Prototype
  if (!isAsExpected(prototype)) return "this version of Effect is not known here"
  const { evaluate } = prototype
  prototype.evaluate = function evaluateInTurn(this: Internals, effect: AnyEffect): void {
    if (this._yielded === undefined || this === current) return evaluate.call(this, effect)
    const run = onTheSpot(this.cache.scheduler)
    if (run === undefined) return evaluate.call(this, effect)
    if (isInterruption(this, effect)) return run(() => evaluate.call(this, effect))
    this._running = true
    this.currentDispatcher.scheduleTask(() => takeTurn(this, effect, evaluate), 0)
  }
  return undefined
}

/** Whoever interrupts a fiber has it fail with the Cause that is kept in it. */
const isInterruption = (fiber: Internals, effect: AnyEffect): boolean =>
  fiber._interruptedCause !== undefined &&
  (effect as { readonly cause?: Cause.Cause<unknown> }).cause === fiber._interruptedCause

const takeTurn = (fiber: Internals, effect: AnyEffect, evaluate: Internals["evaluate"]): void => {
  const late = fiber._deferredInterrupt ? fiber._interruptedCause : undefined
  // Else it would end at its next unmasking, and not have gone on at all.
  if (late !== undefined) fiber._interruptedCause = undefined
  fiber._running = fiber._deferredInterrupt = false
  current = fiber
  evaluate.call(fiber, effect)
  if (late !== undefined && fiber.pollUnsafe() === undefined) {
    // As if the interrupt had come just now.
    const since = fiber._interruptedCause
    fiber._interruptedCause = since === undefined ? late : Cause.combine(late, since)
    if (fiber.interruptible) evaluate.call(fiber, Effect.failCause(fiber._interruptedCause))
  }
  current = undefined
}

/** Whether a fiber that waits can be kept from going on, hears of an interrupt meanwhile, and then goes on; and how it ends. */
const isAsExpected = (prototype: Partial<Prototype>): prototype is Prototype => {
  if (typeof prototype.evaluate !== "function") return false
  let wake: (() => void) | undefined
  let wokenWith: AnyEffect | undefined
  const waiting = Effect.callback<void>((resume) => {
    wake = () => resume(Effect.void)
  })
  // Just what is to be found out.
  const fiber = Effect.runFork(waiting) as Fiber.Fiber<unknown, unknown> as Internals
  // As data, as any of them may not be there.
  const { _deferredInterrupt, _running, _yielded }: Partial<Record<keyof Internals, unknown>> = fiber
  const waits = _yielded !== undefined && _running === false && _deferredInterrupt === false
  fiber.evaluate = (effect) => {
    wokenWith = effect
  }
  wake?.()
  const isKept = wokenWith !== undefined && fiber.pollUnsafe() === undefined
  Reflect.deleteProperty(fiber, "evaluate")
  fiber._running = true
  fiber.interruptUnsafe()
  const hears = fiber._deferredInterrupt && fiber._interruptedCause !== undefined && fiber.pollUnsafe() === undefined
  fiber._running = fiber._deferredInterrupt = false
  fiber._interruptedCause = undefined
  if (wokenWith !== undefined) fiber.evaluate(wokenWith)
  const exit = fiber.pollUnsafe()
  return waits && isKept && hears && exit !== undefined && Exit.isSuccess(exit) && isToldApart()
}

const isToldApart = (): boolean => {
  const fiber = Effect.runFork(Effect.never) as Fiber.Fiber<unknown, unknown> as Internals
  let isTold = false
  fiber.evaluate = (effect) => {
    isTold = isInterruption(fiber, effect)
  }
  fiber.interruptUnsafe()
  return isTold
}
