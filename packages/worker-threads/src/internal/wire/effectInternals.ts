/**
 * The private parts of Effect that this package touches: fields of fibers, the reference to the current fiber, and the
 * names of frames and locals that the host reads in a halted worker. Core declares the key of the current fiber.
 *
 * Invariants:
 * 1. No other module of the package uses a private part of Effect, except for `plainTask/host/observers.ts`. That module
 *    runs before Effect is loaded, and reads only whether there is a current fiber.
 * 2. A part is used only after its trial has passed in this thread. If the trial fails, the caller goes a way by public
 *    API: no deferred resume, no unwind outside sections, each section treated as masked.
 * 3. A field that is missing never allows an unwind.
 */
import { getCallSites } from "node:util"
import { currentFiberKey } from "@quiesce/core/internal/plainHost"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { deferredResumeFrame } from "./unwindContract.ts"

export type AnyFiber = Fiber.Fiber<unknown, unknown>
export type AnyEffect = Effect.Effect<unknown, unknown>
export type Evaluate = (this: AnyFiber, effect: AnyEffect) => void

/** The private fields of a fiber. */
interface Internals extends AnyFiber {
  readonly interruptible: boolean | undefined
  /** Undoes the wait; undefined unless the fiber waits. */
  readonly _yielded: unknown
  _interruptedCause: Cause.Cause<never> | undefined
  _running: boolean | undefined
  _deferredInterrupt: boolean | undefined
  evaluate: (effect: AnyEffect) => void
}

const globals = globalThis as { [currentFiberKey]?: AnyFiber | undefined }

/** The private fields of a fiber may be missing, so each use comes after a trial or is safe without them. */
const internalsOf = (fiber: AnyFiber): Internals => fiber as Internals

const unknownPart = (part: string): string => `this version of Effect is not known here: ${part}`

/** The result of a trial, which runs once in a thread. A trial that throws has failed. */
const once = (part: string, passes: () => boolean): (() => string | undefined) => {
  let result: { readonly problem: string | undefined } | undefined
  const measure = (): string | undefined => {
    try {
      return passes() ? undefined : unknownPart(part)
    } catch {
      return unknownPart(part)
    }
  }
  return () => (result ??= { problem: measure() }).problem
}

// ---- The mask of a fiber ----

/** False for a fiber whose mask can't be read. */
export const isInterruptible = (fiber: AnyFiber): boolean => internalsOf(fiber).interruptible === true

/** Why it can't be read whether a fiber is interruptible. */
export const maskProblem: () => string | undefined = once("the mask of a fiber", () => {
  const seen: Array<boolean | undefined> = []
  const see = Effect.withFiber((fiber) => Effect.sync(() => seen.push(internalsOf(fiber).interruptible)))
  Effect.runSync(Effect.andThen(Effect.andThen(see, Effect.uninterruptible(see)), see))
  return seen.length === 3 && seen[0] === true && seen[1] === false && seen[2] === true
})

// ---- The fiber that runs ----

export const currentFiber = (): AnyFiber | undefined => globals[currentFiberKey]

/** Code of a fiber was ended by force, so no fiber runs any more. */
export const forgetCurrentFiber = (): void => {
  globals[currentFiberKey] = undefined
}

/** Code of the fiber was ended by force. From now on the fiber can be interrupted again. */
export const markStopped = (fiber: AnyFiber): void => {
  internalsOf(fiber)._running = false
}

/** Why a fiber whose code was ended by force can't be found and interrupted. */
export const runningProblem: () => string | undefined = once("the fiber that runs", () => {
  let inside = false
  const probe = Effect.withFiber((fiber) => {
    inside = internalsOf(fiber)._running === true && currentFiber() === fiber
    return Effect.never
  })
  const fiber = internalsOf(Effect.runFork(probe))
  const outside = fiber._running === false && currentFiber() !== fiber && isInterruptible(fiber)
  // An end by force leaves the field like this.
  fiber._running = true
  fiber.interruptUnsafe()
  const held = fiber.pollUnsafe() === undefined
  markStopped(fiber)
  fiber.interruptUnsafe()
  return inside && outside && held && fiber.pollUnsafe() !== undefined
})

// ---- The resumption of a fiber that waits ----

export const isWaiting = (fiber: AnyFiber): boolean => internalsOf(fiber)._yielded !== undefined

/** Makes a fiber that waits count as running: an interrupt is noted for later. */
export const hold = (fiber: AnyFiber): void => {
  internalsOf(fiber)._running = true
}

/** Whether the effect is the one by which an interrupt ends the fiber. */
export const isInterruption = (fiber: AnyFiber, effect: AnyEffect): boolean => {
  const { _interruptedCause } = internalsOf(fiber)
  const { cause } = effect as { readonly cause?: Cause.Cause<unknown> }
  return _interruptedCause !== undefined && cause === _interruptedCause
}

/** Resumes a fiber that was held. An interrupt that came meanwhile takes effect after the first part of the fiber. */
export const resumeHeld = (fiber: AnyFiber, effect: AnyEffect, evaluate: Evaluate): void => {
  const internals = internalsOf(fiber)
  const late = internals._deferredInterrupt === true ? internals._interruptedCause : undefined
  // Otherwise the fiber would end at its next unmasking, before it has gone on at all.
  if (late !== undefined) internals._interruptedCause = undefined
  internals._running = internals._deferredInterrupt = false
  evaluate.call(fiber, effect)
  if (late === undefined || fiber.pollUnsafe() !== undefined) return
  // The interrupt counts as if it came just now.
  const since = internals._interruptedCause
  internals._interruptedCause = since === undefined ? late : Cause.combine(late, since)
  if (isInterruptible(fiber)) evaluate.call(fiber, Effect.failCause(internals._interruptedCause))
}

/** Replaces the method by which all fibers of this thread run and resume. Says why it can't; undefined if it has. */
export const replaceEvaluate = (make: (evaluate: Evaluate) => Evaluate): string | undefined => {
  const problem = resumeProblem()
  if (problem !== undefined) return problem
  const prototype = prototypeOfFibers()
  // The trial has called it.
  prototype.evaluate = make(prototype.evaluate as Evaluate)
  return undefined
}

const prototypeOfFibers = (): { evaluate?: unknown } =>
  Object.getPrototypeOf(Effect.runFork(Effect.void)) as { evaluate?: unknown }

/** Why a fiber that is woken can't be kept back, interrupted meanwhile, and resumed later. */
const resumeProblem = once(
  "the resumption of a fiber",
  () => typeof prototypeOfFibers().evaluate === "function" && isResumable() && isToldApart()
)

const isResumable = (): boolean => {
  let wake: (() => void) | undefined
  let wokenWith: AnyEffect | undefined
  const waiting = Effect.callback<void>((resume) => {
    wake = () => resume(Effect.void)
  })
  const fiber = internalsOf(Effect.runFork(waiting))
  const waits = isWaiting(fiber) && fiber._running === false && fiber._deferredInterrupt === false
  fiber.evaluate = (effect) => {
    wokenWith = effect
  }
  wake?.()
  const isKept = wokenWith !== undefined && fiber.pollUnsafe() === undefined
  Reflect.deleteProperty(fiber, "evaluate")
  hold(fiber)
  fiber.interruptUnsafe()
  const isNoted =
    fiber._deferredInterrupt === true && fiber._interruptedCause !== undefined && fiber.pollUnsafe() === undefined
  fiber._running = fiber._deferredInterrupt = false
  fiber._interruptedCause = undefined
  if (wokenWith !== undefined) fiber.evaluate(wokenWith)
  const exit = fiber.pollUnsafe()
  return waits && isKept && isNoted && exit !== undefined && Exit.isSuccess(exit)
}

const isToldApart = (): boolean => {
  const fiber = internalsOf(Effect.runFork(Effect.never))
  let isTold = false
  fiber.evaluate = (effect) => {
    isTold = isInterruption(fiber, effect)
  }
  fiber.interruptUnsafe()
  Reflect.deleteProperty(fiber, "evaluate")
  return isTold
}

// ---- Frames and locals in a halted stack ----

export interface Frame {
  readonly name: string
  readonly url: string
}

/** The module of Effect that runs fibers. */
export const fiberModule: RegExp = /(?<=\/)internal\/effect\.[jt]s$/

/** Whether a frame runs a fiber. User code may have a function of the same name. */
export const isLoop = ({ name, url }: Frame): boolean => name === "runLoop" && fiberModule.test(url)

/** Whether a frame runs a step of an effect. User code has no function of this name. */
export const isStep = ({ name }: Frame): boolean => name.includes("~effect/Effect/evaluate")

/** Whether a frame may run a fiber of another copy of Effect. User code may have a function of the same name. */
export const mayBeForeignLoop = (frame: Frame): boolean => frame.name === "runLoop" && !isLoop(frame)

/** Whether the receiver of a frame is a fiber. */
export const isFiberFrame = `typeof this === "object" && this !== null && "~effect/Fiber" in this`

/** Whether a frame starts the fibers of a concurrent `forEach`. The rest of Effect has functions of the same name. */
export const startsMany = ({ name, url }: Frame): boolean => name === "go" && fiberModule.test(url)

/** The frame that has entered the async context in which the fiber of a loop was resumed; undefined if it was in none. */
export const resumption = <F extends Frame>(frames: ReadonlyArray<F>, loop: F): F | undefined => {
  const [inside, entry, outside] = frames
    .slice(frames.indexOf(loop) + 1)
    .filter(({ name }) => name !== deferredResumeFrame)
  const found = inside?.name === "evaluate" && entry?.name === "runInAsyncScope" && outside?.name === "evaluate"
  return found && outside.url === loop.url ? outside : undefined
}

/** The local of a `startsMany` frame with its fibers; undefined there as long as it has started none. */
export const startedFibers = "fibers"

/** The local of a `resumption` frame with the async context. */
export const asyncContext = "asyncContext"

/** Why nothing is ended if one of these locals is missing or of another type. */
export const unknownLocals: string = unknownPart("the locals of its functions")

const framesHere = (): ReadonlyArray<Frame> =>
  getCallSites(60, { sourceMap: false }).map(({ functionName, scriptName }) => ({
    name: functionName,
    url: scriptName
  }))

/** Why the fibers on a halted stack can't be found there. */
export const framesProblem: () => string | undefined = once("the frames of a fiber", () => {
  let wake: (() => void) | undefined
  let resumed: ReadonlyArray<Frame> = []
  let inForEach: ReadonlyArray<Frame> = []
  const waiting = Effect.callback<void>((resume) => {
    wake = () => resume(Effect.void)
  })
  const seeResumed = Effect.sync(() => (resumed = framesHere()))
  Effect.runFork(Effect.andThen(waiting, seeResumed))
  wake?.()
  const seeForEach = Effect.sync(() => (inForEach = framesHere()))
  Effect.runFork(Effect.forEach([1, 2], () => seeForEach, { concurrency: 2 }))
  const loop = resumed.find(isLoop)
  const [inner, outer] = inForEach.filter(isLoop)
  if (loop === undefined || inner === undefined || outer === undefined) return false
  const between = inForEach.slice(inForEach.indexOf(inner), inForEach.indexOf(outer))
  return resumption(resumed, loop) !== undefined && between.some(startsMany)
})
