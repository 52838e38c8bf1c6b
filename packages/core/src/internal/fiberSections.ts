/**
 * Runs sections on fibers. The watchdog ends a section at its deadline, and at Ctrl-C if the program handles SIGINT so.
 * Before, a section runs like other code of its fiber, because the code of a request could not run beside the section.
 *
 * Invariants:
 * 1. A section without a deadline, under a mask, in a release, or by another clock than the watchdog's is not limited.
 * 2. A section that was ended fails with the same interruption as a section whose token has noticed the deadline.
 * 3. The fiber goes on in a normal state. The finalizers of the fiber run after the section has left the stack.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as CancelReason from "../CancelReason.ts"
import * as Deadline from "../Deadline.ts"
import * as StopToken from "../StopToken.ts"
import { CurrentNode } from "./currentThread.ts"
import { isUnmasked } from "./effectInternals.ts"
import { readOr } from "./foreignValue.ts"
import { isReleasing } from "./release.ts"
import * as SectionResult from "./sectionResult.ts"
import * as Watchdog from "./watchdog.ts"

export interface FiberSections {
  readonly preemption: "none" | "deadline"
  readonly interruptible: <A>(section: (token: StopToken.StopToken) => A, graceMillis: number) => Effect.Effect<A>
  readonly uninterruptible: <A>(section: () => A) => Effect.Effect<A>
}

type AnyFiber = Fiber.Fiber<unknown, unknown>
type Section<A> = (token: StopToken.StopToken) => A

/** Ends sections at Ctrl-C, in a program that handles SIGINT. */
export interface CtrlC {
  /** Whether Ctrl-C may end the section that begins now. */
  readonly mayEnd: () => boolean
  /** Called after the section into which a SIGINT has fallen. Gives the reason for the end of the section. */
  readonly received: () => CancelReason.CancelReason
}

/** Called when a limited section of a fiber begins. The returned function is called at its end. */
export type Observer = (fiber: AnyFiber) => (wasEnded: boolean) => void

const observers = new Set<Observer>()

export const observe = (observer: Observer): void => {
  observers.add(observer)
}

/**
 * The sections of fibers under a watchdog, which is looked for at the first section with a deadline. With `ctrlC`, each
 * section that may be ended runs under the watchdog.
 */
export const make = (watchdogOf: () => Watchdog.Watchdog | undefined, ctrlC?: CtrlC): FiberSections => ({
  get preemption() {
    return watchdogOf() === undefined ? "none" : "deadline"
  },
  interruptible: (section, graceMillis) =>
    Effect.flatMap(StopToken.current, (token) =>
      Effect.withFiber((fiber) => {
        const deadline = fiber.getRef(Deadline.Current)
        if (deadline === Infinity && ctrlC === undefined) return attempt(section, token)
        if (!isUnmasked(fiber) || isReleasing(fiber)) return attempt(section, token)
        const watchdog = watchdogOf()
        // A section inside a section, through `runSync`, is a part of the outer section.
        if (watchdog === undefined || watchdog.isRunning) return attempt(section, token)
        const clock = fiber.getRef(Clock.Clock)
        const remaining = watchdog.follows(clock) ? deadline - clock.currentTimeMillisUnsafe() : Infinity
        if (remaining <= 0) return ended(fiber)
        const interrupting = ctrlC?.mayEnd() === true ? ctrlC : undefined
        if (remaining === Infinity && interrupting === undefined) return attempt(section, token)
        return limited(section, token, fiber, watchdog, remaining + graceMillis, interrupting)
      })
    ),
  uninterruptible: (section) =>
    Effect.uninterruptible(Effect.suspend(() => SectionResult.exitOf(section(), "Blocking.uninterruptible")))
})

/** The sections of fibers under the watchdog of the platform. */
export const onPlatform: FiberSections = /* @__PURE__ */ make(Watchdog.platform)

/** The state of the code of a section. Code that was ended stays `Running`. */
type Outcome<A> =
  | { readonly _tag: "Running" }
  | { readonly _tag: "Returned"; readonly value: A }
  | { readonly _tag: "Threw"; readonly error: unknown }

const running: Outcome<never> = { _tag: "Running" }

const attempt = <A>(section: Section<A>, token: StopToken.StopToken): Effect.Effect<A> => {
  try {
    return SectionResult.exitOf(section(token), "Blocking.interruptible")
  } catch (error) {
    return failed(error)
  }
}

/** An error thrown by `token.check` interrupts the section; any other error is a defect. */
const failed = (error: unknown): Effect.Effect<never> => {
  const reason = readOr(() => (error instanceof CancelReason.CancelError ? error.reason : undefined), undefined)
  return CancelReason.isCancelReason(reason) ? interrupted(reason) : Exit.die(error)
}

/**
 * Interrupts the fiber as the timer of the deadline does, so that `Effect.exit` around the section does not keep the work
 * alive. Under a mask only the section fails.
 */
const interrupted = (reason: CancelReason.CancelReason): Effect.Effect<never> =>
  Effect.withFiber((fiber) => {
    if (isUnmasked(fiber)) fiber.interruptUnsafe(fiber.id, CancelReason.toAnnotations(reason))
    return Exit.failCause(CancelReason.toCause(reason))
  })

const limited = <A>(
  section: Section<A>,
  token: StopToken.StopToken,
  fiber: AnyFiber,
  watchdog: Watchdog.Watchdog,
  millis: number,
  ctrlC: CtrlC | undefined
): Effect.Effect<A> => {
  let outcome: Outcome<A> = running
  let left: ReadonlyArray<(wasEnded: boolean) => void> = []
  let reason: CancelReason.CancelReason | undefined
  const code = (): void => {
    left = Array.from(observers, (observer) => observer(fiber))
    // The engine ends code at a call or in a loop. There is neither between the end of the section and the assignment, so a
    // section that has returned counts as such.
    try {
      outcome = { _tag: "Returned", value: section(token) }
    } catch (error) {
      outcome = { _tag: "Threw", error }
    }
  }
  watchdog.run(code, millis, ctrlC && (() => (reason = ctrlC.received())))
  return settled(outcome, left, fiber, reason)
}

const settled = <A>(
  outcome: Outcome<A>,
  left: ReadonlyArray<(wasEnded: boolean) => void>,
  fiber: AnyFiber,
  reason: CancelReason.CancelReason | undefined
): Effect.Effect<A> => {
  for (const leave of left) leave(outcome._tag === "Running")
  if (outcome._tag === "Returned") return SectionResult.exitOf(outcome.value, "Blocking.interruptible")
  if (outcome._tag === "Threw") return failed(outcome.error)
  // A fiber that ran inside the section, by `runSync`, still counts as the current one until this fiber's next turn.
  const exit = ended(fiber, reason)
  return Fiber.getCurrent() === fiber ? exit : Effect.andThen(Effect.yieldNow, exit)
}

/** The interruption of a section at its deadline or at Ctrl-C: by the reason of the thread's cancel, if there is one. */
const ended = (fiber: AnyFiber, reason?: CancelReason.CancelReason): Effect.Effect<never> => {
  const node = fiber.getRef(CurrentNode)
  const first = node.isCancelled ? node.reason : reason
  return interrupted(first ?? CancelReason.deadlineExceeded(fiber.getRef(Deadline.Current)))
}
