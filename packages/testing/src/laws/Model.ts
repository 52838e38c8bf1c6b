/**
 * The expected observations of a program, from a model without fibers, promises or clocks. Runs are compared with the
 * model.
 *
 * The model has one thread with leases, scopes, masks, finalizers and sleeps, and an interrupt from outside. The model
 * knows the time of the interrupt and the observations before, but not the point at which the thread noticed the interrupt.
 * It allows the outcome of each possible point: mostly one or two outcomes. For a program with other instructions the model
 * is undecided.
 *
 * @since 0.1.0
 */
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import {
  type Cancel,
  died,
  failed,
  interrupted,
  Machine,
  type Mark,
  type Observable,
  Undecided
} from "./interpret/machine.ts"
import type { AnyExit, Outcome } from "./Outcome.ts"
import type { Program } from "./Program.ts"
import { type Event, only } from "./Trace.ts"

/**
 * The result of a comparison: the run is `Alike` one of the `allowed` outcomes, or `Unlike` all of them, with the
 * differences; or the model is undecided, with the reason.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Comparison =
  | { readonly _tag: "Alike"; readonly allowed: number }
  | { readonly _tag: "Unlike"; readonly problem: string }
  | { readonly _tag: "Undecided"; readonly why: string }

/**
 * The allowed observations of a program. With a cancel `at` a millisecond, after all other events of that millisecond,
 * these are the outcomes of all possible points. Throws for an instruction that the model does not know.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const allowed = (program: Program, cancel?: { readonly at: number }): ReadonlyArray<string> => {
  const machines =
    cancel === undefined ? [run(program, undefined)] : possible(program, cancel.at, ({ at }) => at > cancel.at)
  return [...new Set(machines.map(({ observed }) => render(observed)))]
}

/**
 * Compares a run with the model. The thread notices an interrupt at the next point. If requests are delayed, the thread may
 * notice the interrupt at each later point of the same millisecond, or may end in that millisecond without the interrupt.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const compare = (outcome: Outcome, isDelayed = false): Comparison => {
  const asked = askedIn(outcome)
  if (asked === "other") return { _tag: "Undecided", why: "what is done to it" }
  const { program } = outcome.scenario
  const real = observablesOf(outcome.events)
  try {
    const allowed = asked === undefined ? [run(program, undefined)] : cancelled(outcome, asked, real, isDelayed)
    const reasons = reasonsOf(outcome.threads.get("t")?.exit)
    const texts = new Set(allowed.map(({ observed }) => render(observed)))
    const text = render(real)
    const alike = allowed.filter(({ observed }) => render(observed) === text)
    if (alike.some(({ isCancelled, wrong }) => (reasons & ~(isCancelled ? wrong | interrupted : wrong)) === 0))
      return { _tag: "Alike", allowed: texts.size }
    if (alike.length > 0) return { _tag: "Unlike", problem: "the exit has a failure that did not happen" }
    return {
      _tag: "Unlike",
      problem: `it was ${text}, and should have been ${[...texts].join(", or ") || "impossible"}`
    }
  } catch (cause) {
    if (cause instanceof Undecided) return { _tag: "Undecided", why: cause.message }
    throw cause
  }
}

type Asked = Extract<Event, { readonly _tag: "Asked" }>

/** The interrupt of a plan with one interrupt; undefined for an empty plan. */
const askedIn = ({ cut, events, scenario }: Outcome): Asked | "other" | undefined => {
  if (cut === null) return undefined
  const isOther = scenario.plan.length !== 1 || scenario.plan[0]!.action._tag !== "Interrupt"
  const asked = only(events, "Asked")
  if (isOther || asked.length > 1) return "other"
  return asked[0]?.wasAlive === true ? asked[0] : undefined
}

const run = (program: Program, cancel: Cancel | undefined): Machine => {
  const machine = new Machine(cancel)
  machine.run(program)
  return machine
}

/**
 * The allowed outcomes of an interrupt after the observations `before`: the thread noticed the interrupt at the next point.
 * During a synchronous section, the thread may have noticed the interrupt only at its next wait.
 */
const cancelled = (
  outcome: Outcome,
  asked: Asked,
  real: ReadonlyArray<Observable>,
  isDelayed: boolean
): ReadonlyArray<Machine> => {
  const later = observablesOf(outcome.events.slice(outcome.events.indexOf(asked)), outcome.events)
  const before = real.length - later.length
  const inSection = real[before - 1]?.what === "spinning"
  const isMissed = ({ at, seen, waits }: Mark): boolean =>
    (at > asked.at || (seen > before && !isDelayed)) && (waits || !inSection)
  return possible(outcome.scenario.program, asked.at, isMissed, before)
}

/** Tries the points one after another. The cancel can't have passed a point with `isMissed`. */
const possible = (
  program: Program,
  at: number,
  isMissed: (mark: Mark) => boolean,
  before = 0
): ReadonlyArray<Machine> => {
  const machines: Array<Machine> = []
  for (let point = 1; ; point++) {
    const machine = run(program, { at, before, point })
    const { isCancelled, marks, observed } = machine
    const passed = isCancelled ? marks.slice(0, -1) : marks
    const seen = isCancelled ? marks.at(-1)! : { at: Infinity, seen: observed.length }
    if (seen.at >= at && seen.seen >= before && !passed.some(isMissed)) machines.push(machine)
    if (!isCancelled) return machines
  }
}

const render = (observed: ReadonlyArray<Observable>): string =>
  observed.map(({ at, what }) => `${what} at ${at}`).join("; ")

// ---- Observations of a real run ----

const observablesOf = (events: ReadonlyArray<Event>, all = events): ReadonlyArray<Observable> =>
  events.flatMap((event) => {
    const what = event.thread === "t" ? whatIs(event, all) : undefined
    return what === undefined ? [] : [{ at: event.at, what }]
  })

const whatIs = (event: Event, all: ReadonlyArray<Event>): string | undefined => {
  // The other events belong to threads outside the model, or add nothing.
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check
  switch (event._tag) {
    case "Acquired":
      return event.unsure === true ? undefined : `acquired ${numberOf(event.lease)}`
    case "AcquireFailed":
      return `failed to acquire ${numberOf(event.lease)}`
    case "Releasing":
      return `releasing ${numberOf(event.lease)}${cutOf(event.lease, all)}`
    case "Released":
      return event.how === "cut" ? undefined : `released ${numberOf(event.lease)}, ${event.how}`
    case "Passed":
      return "passed"
    case "Spinning":
      return "spinning"
    case "Spun":
      return "spun"
    case "ScopeClosed":
      return "scope closed"
    case "MaskBroken":
      return "a mask was broken"
    case "MaskLost":
      return "a cancel was lost in a mask"
    case "BodyEnded":
      return `the body ${Exit.isSuccess(event.exit) ? "succeeded" : "failed"}`
    case "Settled":
      return `the thread ${Exit.isSuccess(event.exit) ? "succeeded" : "failed"}`
    default:
      return undefined
  }
}

/** A release that was given up may end later, but no fiber waits for its end. */
const cutOf = (lease: string, all: ReadonlyArray<Event>): string =>
  only(all, "Released").some((event) => event.lease === lease && event.how === "cut") ? ", to be cut" : ""

const numberOf = (lease: string): string => lease.slice(lease.indexOf("/") + 1)

const reasonsOf = (exit: AnyExit | undefined): number =>
  exit === undefined || Exit.isSuccess(exit)
    ? 0
    : exit.cause.reasons.reduce(
        (all, reason) => all | (Cause.isFailReason(reason) ? failed : Cause.isDieReason(reason) ? died : interrupted),
        0
      )
