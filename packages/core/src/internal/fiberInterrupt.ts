/**
 * Interrupts fibers with a Cause that is made once for all that are interrupted for the same reason.
 *
 * Effect makes an interruption's Cause for each fiber and copies the annotations into it, which for a hundred thousand
 * fibers is most of the work. Where this Effect's fibers are as expected, they are handed the ready Cause instead, in the
 * very steps of `Fiber.interruptUnsafe`. That rests on internals, so it is tried out first, against what `interruptUnsafe`
 * does; where anything differs, that is what is called.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as CancelReason from "../CancelReason.ts"

/** What Effect keeps of a fiber, as far as it is touched here. */
interface Internals extends Fiber.Fiber<unknown, unknown> {
  readonly interruptible: boolean
  readonly _running: boolean
  readonly _exit: Exit.Exit<unknown, unknown> | undefined
  _interruptedCause: Cause.Cause<never> | undefined
  _deferredInterrupt: boolean
  readonly evaluate: (effect: Effect.Effect<never>) => void
}

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** The last interruption, which often reaches many fibers. */
let last: { readonly reason: CancelReason.CancelReason; readonly by: number; readonly exit: Exit.Failure<never, never> }

const exitOf = (reason: CancelReason.CancelReason, by: number): Exit.Failure<never, never> => {
  if (last === undefined || last.reason !== reason || last.by !== by) {
    const cause = Cause.annotate(Cause.interrupt(by), CancelReason.toAnnotations(reason))
    // What fails with a cause is a failure.
    last = { reason, by, exit: Exit.failCause(cause) as Exit.Failure<never, never> }
  }
  return last.exit
}

/** The steps of `interruptUnsafe` for a fiber that has not been interrupted before. */
const handOver = (fiber: Internals, exit: Exit.Failure<never, never>): void => {
  fiber._interruptedCause = exit.cause
  if (!fiber.interruptible) return
  if (fiber._running) fiber._deferredInterrupt = true
  else fiber.evaluate(exit)
}

/** Interrupts a fiber for a reason; `by` is the id of the fiber that asks. */
export const interruptFiber = (fiber: AnyFiber, reason: CancelReason.CancelReason, by: number): void => {
  const internals = fiber as Internals
  if (canHandOver() && internals._exit === undefined && isUntouched(internals)) {
    return handOver(internals, exitOf(reason, by))
  }
  fiber.interruptUnsafe(by, CancelReason.toAnnotations(reason))
}

/** Neither interrupted nor traced, as a trace would be noted in the Cause, too. */
const isUntouched = (fiber: Internals): boolean =>
  fiber._interruptedCause === undefined && fiber.cache.stackFrame === undefined

let verdict: boolean | undefined

/** Tried out once, when it is first needed. */
const canHandOver = (): boolean => (verdict ??= trial())

const trial = (): boolean => {
  const reason = CancelReason.interrupted("trial")
  const ours = observe((fiber) => handOver(fiber as Internals, exitOf(reason, 1)))
  const theirs = observe((fiber) => fiber.interruptUnsafe(1, CancelReason.toAnnotations(reason)))
  return ours !== undefined && ours === theirs
}

/** What an interrupt does to a fiber that is suspended, masked or running, as text; undefined if it is not known here. */
const observe = (interrupt: (fiber: AnyFiber) => void): string | undefined => {
  const seen: Array<string> = []
  const note = (exit: Exit.Exit<unknown, unknown>): void => {
    seen.push(Exit.isFailure(exit) ? exit.cause.reasons.map(described).join() : "Success")
  }
  const watched = (effect: Effect.Effect<unknown>) => Effect.onExit(effect, (exit) => Effect.sync(() => note(exit)))
  const suspended = Effect.runFork(watched(Effect.never))
  if (!isKnown(suspended)) return undefined
  interrupt(suspended)
  let resume: (() => void) | undefined
  const waiting = Effect.callback<void>((done) => {
    resume = () => done(Effect.void)
  })
  const masked = Effect.runFork(watched(Effect.andThen(Effect.uninterruptible(waiting), Effect.never)))
  interrupt(masked)
  note(masked.pollUnsafe() ?? Exit.void)
  resume?.()
  const self = Effect.withFiber((fiber) =>
    Effect.andThen(
      Effect.sync(() => interrupt(fiber)),
      Effect.never
    )
  )
  const running = Effect.runFork(watched(self))
  for (const fiber of [suspended, masked, running]) note(fiber.pollUnsafe() ?? Exit.void)
  return seen.join("; ")
}

const described = (reason: Cause.Reason<unknown>): string =>
  Cause.isInterruptReason(reason)
    ? `${reason.fiberId} ${CancelReason.firstOfCause(Cause.fromReasons([reason]))?.message}`
    : reason._tag

/** As those of a fiber that is suspended, has not been interrupted and may be. */
const expected: Readonly<Record<string, unknown>> = {
  interruptible: true,
  _running: false,
  _exit: undefined,
  _deferredInterrupt: false,
  _interruptedCause: undefined
}

const isKnown = (fiber: AnyFiber): boolean =>
  Object.entries(expected).every(([key, value]) => Object.hasOwn(fiber, key) && Reflect.get(fiber, key) === value) &&
  typeof Reflect.get(fiber, "evaluate") === "function"
