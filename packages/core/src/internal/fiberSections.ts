/**
 * Runs sections on fibers. The watchdog ends a section at its deadline. Before, a section runs like other code of its
 * fiber, because the code of a request could not run beside the section.
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

/** Called when a limited section of a fiber begins. The returned function is called at its end. */
export type Observer = (fiber: AnyFiber) => (wasEnded: boolean) => void

const observers = new Set<Observer>()

export const observe = (observer: Observer): void => {
  observers.add(observer)
}

/** The sections of fibers under a watchdog, which is looked for at the first section with a deadline. */
export const make = (watchdogOf: () => Watchdog.Watchdog | undefined): FiberSections => ({
  get preemption() {
    return watchdogOf() === undefined ? "none" : "deadline"
  },
  interruptible: (section, graceMillis) =>
    Effect.flatMap(StopToken.current, (token) =>
      Effect.withFiber((fiber) => {
        const deadline = fiber.getRef(Deadline.Current)
        if (deadline === Infinity || !isUnmasked(fiber) || isReleasing(fiber)) return attempt(section, token)
        const watchdog = watchdogOf()
        const clock = fiber.getRef(Clock.Clock)
        // A section inside a section, through `runSync`, is a part of the outer section.
        if (watchdog?.follows(clock) !== true || watchdog.isRunning) return attempt(section, token)
        const remaining = deadline - clock.currentTimeMillisUnsafe()
        return remaining <= 0 ? ended(fiber) : limited(section, token, fiber, watchdog, remaining + graceMillis)
      })
    ),
  uninterruptible: (section) =>
    Effect.uninterruptible(Effect.suspend(() => SectionResult.exitOf(section(), "Blocking.uninterruptible")))
})

/** The sections of fibers under the watchdog of the platform. */
export const onPlatform: FiberSections = /* @__PURE__ */ make(Watchdog.platform)

/** What has become of the code of a section. Code that was ended stays `Running`. */
type Outcome<A> =
  | { readonly _tag: "Running" }
  | { readonly _tag: "Returned"; readonly value: A }
  | { readonly _tag: "Threw"; readonly error: unknown }

const running: Outcome<never> = { _tag: "Running" }

const attempt = <A>(section: Section<A>, token: StopToken.StopToken): Exit.Exit<A> => {
  try {
    return SectionResult.exitOf(section(token), "Blocking.interruptible")
  } catch (error) {
    return failed(error)
  }
}

/** An error thrown by `token.check` interrupts the section; any other error is a defect. */
const failed = (error: unknown): Exit.Exit<never> => {
  const reason = readOr(() => (error instanceof CancelReason.CancelError ? error.reason : undefined), undefined)
  return CancelReason.isCancelReason(reason) ? Exit.failCause(CancelReason.toCause(reason)) : Exit.die(error)
}

const limited = <A>(
  section: Section<A>,
  token: StopToken.StopToken,
  fiber: AnyFiber,
  watchdog: Watchdog.Watchdog,
  millis: number
): Effect.Effect<A> => {
  let outcome: Outcome<A> = running
  let left: ReadonlyArray<(wasEnded: boolean) => void> = []
  watchdog.run(() => {
    left = Array.from(observers, (observer) => observer(fiber))
    // The engine ends code at a call or in a loop. There is neither between the end of the section and the assignment, so a
    // section that has returned counts as such.
    try {
      outcome = { _tag: "Returned", value: section(token) }
    } catch (error) {
      outcome = { _tag: "Threw", error }
    }
  }, millis)
  return settled(outcome, left, fiber)
}

const settled = <A>(
  outcome: Outcome<A>,
  left: ReadonlyArray<(wasEnded: boolean) => void>,
  fiber: AnyFiber
): Effect.Effect<A> => {
  for (const leave of left) leave(outcome._tag === "Running")
  if (outcome._tag === "Returned") return SectionResult.exitOf(outcome.value, "Blocking.interruptible")
  if (outcome._tag === "Threw") return failed(outcome.error)
  // A fiber that ran inside the section, by `runSync`, still counts as the current one until this fiber's next turn.
  return Fiber.getCurrent() === fiber ? ended(fiber) : Effect.andThen(Effect.yieldNow, ended(fiber))
}

/** The interruption of a section at its deadline: by the reason of the thread's cancel, if there is one. */
const ended = (fiber: AnyFiber): Exit.Exit<never> => {
  const node = fiber.getRef(CurrentNode)
  const reason = node.isCancelled ? node.reason : undefined
  return Exit.failCause(CancelReason.toCause(reason ?? CancelReason.deadlineExceeded(fiber.getRef(Deadline.Current))))
}
