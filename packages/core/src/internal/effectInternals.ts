/**
 * The private parts of Effect that this package uses. `redaction.ts` and `receiving.ts` copy a few others, because they must
 * not load the modules of Effect that declare them. Tests compare these copies with Effect's own.
 *
 * | internal | saving | public way |
 * | --- | --- | --- |
 * | `Scope.state` is written | 11% of `spawn-join`, 7% of `spawn-interrupt` | `Scope.addFinalizerExit` |
 * | a fiber gets a ready Cause, in programs with groups or maps | 45% of `group-shutdown-100000`, nothing of `spawn-interrupt` | `Fiber.interruptUnsafe` |
 * | the mask of a fiber is read | none: the check of a token waits for the end of a mask | none: each fiber counts as masked, so no check throws for a cancel, and no section is ended |
 *
 * Invariants:
 * 1. Each internal is compared with its public way before its first use. If the two differ, or an internal is missing, the
 *    public way is taken for the life of the process.
 * 2. The first use of such a public way logs a warning.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { CurrentStackFrame } from "effect/References"
import * as Scope from "effect/Scope"
import * as CancelReason from "../CancelReason.ts"
import { ownCauses, type Way } from "./fiberInterrupt.ts"
import * as Notice from "./notice.ts"

/** The private way if both ways do the same, otherwise the public way and a warning about its cost. */
const chosen = <A>(privateWay: A, publicWay: A, observed: (way: A) => string, cost: string): A => {
  try {
    if (observed(privateWay) === observed(publicWay)) return privateWay
  } catch {
    // A private way that throws is not safe either.
  }
  Notice.log(
    Fiber.getCurrent()?.context ?? Context.empty(),
    "Warn",
    `Quiesce was made for another version of Effect. It works as documented, but ${cost}.`
  )
  return publicWay
}

// ---- Scopes ----

type Finalizer = (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>

type AddFinalizer = (scope: Scope.Closeable, finalizer: Finalizer) => void

/** Forks a scope that has one finalizer. The parent must be open. */
export const forkWithFinalizer = (parent: Scope.Scope, finalizer: Finalizer): Scope.Closeable => {
  const scope = Scope.forkUnsafe(parent)
  addFinalizer ??= chosen(writeState, addByEffect, closings, "spawning a thread takes about an eighth longer")
  addFinalizer(scope, finalizer)
  return scope
}

/** Undefined before the first use. */
let addFinalizer: AddFinalizer | undefined

/** The scope must be empty. */
const writeState: AddFinalizer = (scope, finalizer) => {
  scope.state = { _tag: "Open", finalizerKey: scope, finalizer, finalizers: undefined }
}

const addByEffect: AddFinalizer = (scope, finalizer) => {
  // The effect has no wait, so it runs in this step.
  Effect.runFork(Scope.addFinalizerExit(scope, finalizer))
}

/** As text: the state of a scope with a finalizer, and the steps in which two such scopes and their parent close. */
const closings = (addTo: AddFinalizer): string => {
  const steps: Array<unknown> = []
  const parent = Scope.makeUnsafe()
  const child = (name: string): Scope.Closeable => {
    const scope = Scope.forkUnsafe(parent)
    addTo(scope, (exit) => {
      steps.push(name, exit._tag)
      return Effect.sync(() => steps.push(`${name} has closed`))
    })
    steps.push(shape(scope.state))
    return scope
  }
  const ended = child("ended")
  child("open")
  steps.push(Scope.closeUnsafe(ended, Exit.void) === undefined, shape(ended.state), shape(parent.state))
  Effect.runFork(Scope.close(parent, Exit.void))
  return JSON.stringify([steps, shape(parent.state)])
}

const shape = (state: object): ReadonlyArray<string> =>
  Object.entries(state)
    .map(([key, value]) => `${key}: ${typeof value === "string" ? value : typeof value}`)
    .toSorted()

// ---- Fibers ----

type AnyFiber = Fiber.Fiber<unknown, unknown>

/**
 * Effect makes a Cause for each interrupted fiber and copies the annotations into it. In this way, fibers that are
 * interrupted one after another for the same reason share one Cause.
 */
export const sharedCauses = (): Way =>
  (sharing ??= chosen(ready, ownCauses, interruptions, "the end of a large group takes twice as long"))

/** Undefined before the first use. */
let sharing: Way | undefined

/** The private fields and the private method of a fiber. */
interface FiberInternals extends AnyFiber {
  /** Undefined in a version of Effect without the field. */
  readonly interruptible: boolean | undefined
  readonly _running: boolean
  readonly _exit: Exit.Exit<unknown, unknown> | undefined
  _interruptedCause: Cause.Cause<never> | undefined
  _deferredInterrupt: boolean
  readonly evaluate: (effect: Effect.Effect<never>) => void
}

/** The steps of `interruptUnsafe` with a shared Cause. The second interrupt of a fiber, and a traced fiber, get their own. */
const interruptWithCause: Way["interrupt"] = (fiber, reason, by) => {
  const internals = fiber as FiberInternals
  if (internals._exit !== undefined) return
  if (internals._interruptedCause !== undefined || fiber.cache.stackFrame !== undefined) {
    return ownCauses.interrupt(fiber, reason, by)
  }
  const exit = exitOf(reason, by)
  internals._interruptedCause = exit.cause
  if (!internals.interruptible) return
  if (internals._running) internals._deferredInterrupt = true
  else internals.evaluate(exit)
}

const ready: Way = {
  interrupt: interruptWithCause,
  exit: (reason, by, context) =>
    Context.get(context, CurrentStackFrame) === undefined ? exitOf(reason, by) : ownCauses.exit(reason, by, context)
}

/** Whether a fiber is certainly uninterruptible now. */
export const isMasked = (fiber: AnyFiber): boolean => maskReader()(fiber)

/** Whether a fiber is certainly interruptible now. False for every fiber if masks can't be read. */
export const isUnmasked = (fiber: AnyFiber): boolean => {
  const read = maskReader()
  return read !== ignoreMask && !read(fiber)
}

const maskReader = (): IsMasked =>
  (masked ??= chosen(
    readMask,
    ignoreMask,
    masks,
    "no check of a token throws for a cancel, and no section is ended at its deadline"
  ))

type IsMasked = (fiber: AnyFiber) => boolean

/** Undefined before the first use. */
let masked: IsMasked | undefined

const readMask: IsMasked = (fiber) => (fiber as FiberInternals).interruptible === false

const ignoreMask: IsMasked = () => false

/** As text: the masks of a fiber before, in and after an uninterruptible region. There is no public way to see them. */
const masks = (way: IsMasked): string => {
  const seen: Array<boolean> = []
  if (way === ignoreMask) return [false, true, false].join()
  const see = Effect.withFiber((fiber) => Effect.sync(() => seen.push(way(fiber))))
  Effect.runSync(Effect.andThen(Effect.andThen(see, Effect.uninterruptible(see)), see))
  return seen.join()
}

let last: { readonly reason: CancelReason.CancelReason; readonly by: number; readonly exit: Exit.Failure<never, never> }

/** Effect's class. `Cause.annotate` would make a reason first, and then a copy with the annotations. */
const Interrupt = /* @__PURE__ */ Cause.makeInterruptReason().constructor as new (
  by: number,
  annotations: ReadonlyMap<string, unknown>
) => Cause.Interrupt

/** The exit of an interrupt. Equal calls in a row get the same exit. */
const exitOf = (reason: CancelReason.CancelReason, by: number): Exit.Failure<never, never> => {
  if (last === undefined || last.reason !== reason || last.by !== by) {
    const cause = Cause.fromReasons([new Interrupt(by, CancelReason.toAnnotations(reason).mapUnsafe)])
    // `failCause` makes a failure.
    last = { reason, by, exit: Exit.failCause(cause) as Exit.Failure<never, never> }
  }
  return last.exit
}

/** As text: the fields of a fiber, and the exits after an interrupt of a suspended, a masked and a running fiber. */
const interruptions = ({ interrupt }: Way): string => {
  const reason = CancelReason.interrupted({ message: "trial" })
  const seen: Array<string> = []
  const note = (exit: Exit.Exit<unknown, unknown>): void => {
    seen.push(Exit.isFailure(exit) ? exit.cause.reasons.map(described).join() : "Success")
  }
  const fork = (effect: Effect.Effect<unknown>): AnyFiber =>
    Effect.runFork(Effect.onExit(effect, (exit) => Effect.sync(() => note(exit))))
  const suspended = fork(Effect.never)
  if (!isKnown(suspended)) throw new TypeError("A fiber has other fields")
  interrupt(suspended, reason, 1)
  let resume: (() => void) | undefined
  const waiting = Effect.callback<void>((done) => {
    resume = () => done(Effect.void)
  })
  const masked = fork(Effect.andThen(Effect.uninterruptible(waiting), Effect.never))
  interrupt(masked, reason, 1)
  note(masked.pollUnsafe() ?? Exit.void)
  resume?.()
  const self = Effect.withFiber((fiber) => Effect.sync(() => interrupt(fiber, reason, 1)))
  const running = fork(Effect.andThen(self, Effect.never))
  for (const fiber of [suspended, masked, running]) note(fiber.pollUnsafe() ?? Exit.void)
  return seen.join("; ")
}

const described = (reason: Cause.Reason<unknown>): string =>
  Cause.isInterruptReason(reason)
    ? `${reason.fiberId} ${CancelReason.firstOfCause(Cause.fromReasons([reason]))?.message}`
    : reason._tag

/** The fields of a suspended fiber without an interrupt. */
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
