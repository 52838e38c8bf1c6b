/** The laws of reasons, raised errors, deadlines, shared state and left-overs. */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Option from "effect/Option"
import { anyGivenUp, type Outcome } from "../Outcome.ts"
import { type Event, only } from "../Trace.ts"
import { firstBy } from "./firsts.ts"
import { outlives } from "./outliving.ts"

type Check = (outcome: Outcome) => ReadonlyArray<string>

const didNotHappen: Check = (outcome) => {
  const { leftovers } = outcome
  // No thread is left to report the items in the queue.
  if (leftovers === undefined) return withdrawn(outcome)
  const arrived = [...only(outcome.events, "Taken").map(({ item }) => item), ...leftovers.queued]
  const accepted = acceptedOf(outcome)
  const doubled = arrived.filter((item, index) => arrived.indexOf(item) !== index)
  return [
    ...doubled.map((item) => `item ${item} arrived twice`),
    ...arrived
      .filter((item) => !accepted.has(item))
      .map((item) => `item ${item} arrived, though its send was cancelled`),
    ...[...accepted].filter((item) => !arrived.includes(item)).map((item) => `item ${item} was lost`),
    ...(leftovers.lock === "free" ? [] : ["the lock was left locked"]),
    ...withdrawn(outcome)
  ]
}

/**
 * The items that have entered the queue: the sent items, and items that were in the queue, or had left it, at the cancel of
 * their send. A send may notice the cancel one step after its success. It must not succeed later.
 */
const acceptedOf = (outcome: Outcome): ReadonlySet<number> => {
  const accepted = new Set(only(outcome.events, "Sent").map(({ item }) => item))
  for (const event of only(outcome.events, "SendCancelled")) {
    const left = only(outcome.events, "Taken").find(({ item }) => item === event.item)
    const hadLeft = left !== undefined && outcome.events.indexOf(left) < outcome.events.indexOf(event)
    if (hadLeft || event.queued.includes(event.item)) accepted.add(event.item)
  }
  return accepted
}

/** No `receive` claims a raise that was cancelled while pending. */
const withdrawn = (outcome: Outcome): ReadonlyArray<string> =>
  only(outcome.events, "RaiseWithdrawn").flatMap((event) => {
    const after = outcome.events.slice(outcome.events.indexOf(event))
    const claimedLater = only(after, "Received").some(
      ({ at, letter }) => letter === event.letter && at > event.at + slack
    )
    return claimedLater ? [`letter ${event.letter} was taken after it had been withdrawn`] : []
  })

/** The time that a `receive` may need to end after its claim. */
const slack = 50

const firstReason: Check = (outcome) => [
  ...only(outcome.events, "ReasonChanged").map(({ thread }) => `the reason of ${thread} changed`),
  ...[...outcome.threads.values()].flatMap(({ name, reason, signalReason }) =>
    signalReason === undefined || isSame(signalReason, reason)
      ? []
      : [`the signal of ${name} says ${signalReason.message}, not ${reason?.message}`]
  )
]

const reasonEverywhere: Check = (outcome) => {
  const finalizers = only(outcome.events, "Releasing").flatMap(({ lease, reason, thread }) =>
    reason === undefined || isReasonOf(outcome, thread, reason)
      ? []
      : [`the release of ${lease} saw ${reason.message}, the reason is ${outcome.threads.get(thread)?.reason?.message}`]
  )
  const exits = only(outcome.events, "Settled").flatMap(({ exit, thread }) => {
    const seen = CancelReason.fromExit(exit)
    return Option.isNone(seen) || isReasonOf(outcome, thread, seen.value)
      ? []
      : [
          `the exit of ${thread} says ${seen.value.message}, the reason is ${outcome.threads.get(thread)?.reason?.message}`
        ]
  })
  return [...finalizers, ...exits, ...descendants(outcome)]
}

/**
 * Whether a thread may see a reason. Allowed are its own reason, the reason of a `receive` or deadline in the thread, the
 * reason of a joined descendant, and, before any reason of its own, the reason of an ancestor. The own reason of a thread
 * that was lost with its worker is not known.
 */
const isReasonOf = (outcome: Outcome, thread: string, seen: CancelReason.CancelReason): boolean => {
  const own = outcome.threads.get(thread)?.reason
  return (
    !outcome.threads.has(thread) ||
    isSame(seen, own) ||
    (seen._tag === "DeadlineExceeded" && hasDeadline(outcome, thread)) ||
    (seen.message === raised && wasRaisedInto(outcome, thread)) ||
    [...outcome.threads.values()].some(
      ({ name, reason }) =>
        isSame(seen, reason) &&
        (name.startsWith(`${thread}.`) ||
          (thread.startsWith(`${name}.`) && (own === undefined || isEarlier(seen, own))))
    )
  )
}

const isEarlier = (a: CancelReason.CancelReason, b: CancelReason.CancelReason): boolean =>
  a.at !== undefined && b.at !== undefined && a.at < b.at

/** Whether two reasons are equal. A reason from another thread is a copy. */
const isSame = (a: CancelReason.CancelReason, b: CancelReason.CancelReason | undefined): boolean =>
  a === b || (b !== undefined && a._tag === b._tag && a.message === b.message && a.by === b.by && a.at === b.at)

/** The reason by which core interrupts the work of a `receive`. */
const raised = "An error was raised into this work"

/** A thread inherits the deadlines of its ancestors. */
const hasDeadline = (outcome: Outcome, thread: string): boolean =>
  only(outcome.events, "DeadlineBegan").some(
    (event) => event.thread === thread || thread.startsWith(`${event.thread}.`)
  )

/** A `receive` interrupts its work after a claim, also if it does not fail with the error in the end. */
const wasRaisedInto = (outcome: Outcome, thread: string): boolean =>
  only(outcome.events, "Asked").some((event) => event.thread === thread && event.how === "raise")

/** A cancelled thread passes its reason to its live children. */
const descendants = (outcome: Outcome): ReadonlyArray<string> =>
  only(outcome.events, "Spawned").flatMap(({ parent, scope, thread }) => {
    const child = outcome.threads.get(thread)?.reason
    const ended = only(outcome.events, "BodyEnded").find((event) => event.thread === parent)
    if (child?._tag !== "ParentEnded" || child.parent !== parent || scope !== parent || ended === undefined) return []
    const reason = CancelReason.fromExit(ended.exit)
    return Option.isSome(reason) && isSame(reason.value, outcome.threads.get(parent)?.reason)
      ? [`${thread} did not get the reason for which ${parent} was cancelled`]
      : []
  })

const deadlineMin: Check = (outcome) => [...deadlines(outcome), ...busyAtDeadline(outcome)]

/**
 * Busy code outside masks is not ended before its deadline, and does not last longer. The work around the code ends with it,
 * also if it catches the interruption of the code.
 */
const busyAtDeadline: Check = (outcome) =>
  only(outcome.events, "WasBusy").flatMap((event) => {
    const { at, due, how, shielded } = event
    if (due === null || shielded) return []
    if (how === "finished") return at > due ? [`busy code ran to ${at} with a deadline of ${due}`] : []
    if (how === "outlived") return [`busy code with a deadline of ${due} was not ended`]
    return goesOn(outcome, event)
      ? [`the work of the deadline ${due} went on after its busy code had ended at ${at}`]
      : []
  })

/** Whether the work of the deadline has succeeded or failed otherwise after the end of its busy code. */
const goesOn = ({ events }: Outcome, busy: Extract<Event, { readonly _tag: "WasBusy" }>): boolean => {
  const later = only(events.slice(events.indexOf(busy)), "DeadlineEnded")
  const end = later.find(({ due, thread }) => thread === busy.thread && due === busy.due)
  return end !== undefined && !end.exceeded && !end.interrupted
}

const deadlines: Check = (outcome) => {
  const ended = only(outcome.events, "DeadlineEnded")
  // Most runs have no deadline, and each run is checked.
  if (ended.length === 0) return []
  const began = firstBy(outcome.events, "DeadlineBegan", "id")
  const simple = !/Acquire|Mask|Finally|Fork|Group/.test(JSON.stringify(outcome.scenario.program))
  return ended.flatMap((event) => {
    const problems: Array<string> = []
    const { due, latest } = began.get(event.id) ?? { due: event.due, latest: event.due }
    if (due < event.due || due > latest) problems.push(`the deadline is ${due}, the smallest around is ${event.due}`)
    if (simple && event.at > Math.max(event.due, blockedUntil(outcome, event.due)))
      problems.push(`work ran to ${event.at} with a deadline of ${event.due}`)
    if (event.exceeded && event.at < event.due) problems.push(`a deadline of ${event.due} passed at ${event.at}`)
    if (event.interrupted && !event.exceeded && !isInterruptedFromOutside(outcome, event))
      problems.push(`the work of the deadline ${event.due} was interrupted at ${event.at}, and nobody had asked`)
    return problems
  })
}

/**
 * The time until which synchronous code blocks its JavaScript thread from a time on, without a gap. A deadline can't end
 * other code than interruptible sections, and so passes unnoticed until that code has ended. Code that was ended by force
 * records no end. Then the next end of a deadline is its end.
 */
const blockedUntil = ({ events }: Outcome, from: number): number => {
  const ends = firstBy(events, "Spun", "id")
  return only(events, "Spinning").reduce((until, event) => {
    if (event.how === "interruptible" || event.at > until) return until
    const end = ends.get(event.id) ?? only(events.slice(events.indexOf(event)), "DeadlineEnded")[0]
    return Math.max(until, end?.at ?? until)
  }, from)
}

/** Whether a part of the scenario interrupts without a request in the trace, such as a join of an interrupted thread. */
const hasOtherSources = ({ plan, program }: Outcome["scenario"]): boolean =>
  /"(Join|Group|Interrupt|Cancel|Crash|Spawn|UntilStopped|Receive)"/.test(JSON.stringify(program)) ||
  plan.some(({ action }) => action._tag === "Close" || action._tag === "Shutdown")

/** Whether the thread was cancelled, or a deadline around the ended one has passed. */
const isInterruptedFromOutside = (outcome: Outcome, ended: Event & { readonly _tag: "DeadlineEnded" }): boolean => {
  const { at, thread } = ended
  const isAncestorDone = only(outcome.events, "BodyEnded").some((ended) => thread.startsWith(`${ended.thread}.`))
  if (isAncestorDone || hasOtherSources(outcome.scenario)) return true
  const isCancelled = only(outcome.events, "Asked").some(
    (asked) => asked.at <= at && (asked.how === "interrupt" || asked.how === "interruptFork")
  )
  const index = outcome.events.indexOf(ended)
  const around = only(outcome.events.slice(index + 1), "DeadlineEnded").filter((event) => event.thread === thread)
  const began = only(outcome.events.slice(0, index), "DeadlineBegan")
  return isCancelled || around.some(({ due, id }) => due <= at && began.some((event) => event.id === id))
}

const listenerClean: Check = (outcome) =>
  outcome.end !== "Done" || anyGivenUp(outcome) || outcome.leftovers === undefined
    ? []
    : (["tasks", "sleeps", "listeners"] as const).flatMap((what) =>
        outcome.leftovers?.[what] === 0 ? [] : [`${outcome.leftovers?.[what]} ${what} were left`]
      )

const raiseExactlyOne: Check = (outcome) => [
  ...only(outcome.events, "RaiseAnswered").flatMap(({ delivered, letter, thread }) => {
    const received = only(outcome.events, "Received").filter((event) => event.letter === letter)
    const cancelled =
      outcome.threads.get(thread)?.reason !== undefined ||
      outcome.scenario.plan.some(({ action }) => action._tag === "Close")
    if (received.some((event) => event.thread !== thread)) return [`letter ${letter} to ${thread} reached another`]
    return received.length === (delivered ? 1 : 0) ||
      (delivered && received.length === 0 && (cancelled || overtaken(outcome, thread, letter)))
      ? []
      : [`letter ${letter} was ${delivered ? "delivered" : "refused"} and received ${received.length} times`]
  }),
  ...only(outcome.events, "Asked").flatMap(({ how, id, message }) =>
    how !== "raise" ||
    outcome.events.some(
      (event) => (event._tag === "RaiseAnswered" || event._tag === "RaiseWithdrawn") && event.letter === id
    ) ||
    outlives(outcome, message)
      ? []
      : [`no caller got the result of letter ${id}`]
  )
]

/** An outer `receive` claimed another letter at the same moment, and so interrupted the inner `receive`. */
const overtaken = (outcome: Outcome, thread: string, letter: number): boolean =>
  only(outcome.events, "Received").some((event) => event.thread === thread && event.letter !== letter)

const settleBeforeRelease: Check = (outcome) => [...leftPromises(outcome), ...usedLeases(outcome)]

/**
 * A shutdown releases the leases of a thread before it abandons the thread. The thread and all threads below it may still
 * use the leases, so each was interrupted before, also below a mask or below an ended body. An interrupt is a request: code
 * under a mask goes on, and other code may take longer than the grace.
 */
const usedLeases: Check = (outcome) =>
  only(outcome.events, "Releasing").flatMap(({ lease, uninterrupted = [] }) =>
    uninterrupted.length === 0 ? [] : [`${lease} was released while ${uninterrupted.join()} ran uninterrupted`]
  )

const leftPromises: Check = (outcome) =>
  only(outcome.events, "PromiseLeft").flatMap(({ at, id }) => {
    const began = only(outcome.events, "PromiseBegan").find((event) => event.id === id)
    if (began === undefined) return []
    const settled = only(outcome.events, "PromiseSettled").find((event) => event.id === id)
    const aborted = only(outcome.events, "PromiseAborted").find((event) => event.id === id)
    if (
      settled !== undefined &&
      settled.at <= at &&
      outcome.events.indexOf(settled) <
        outcome.events.findIndex((event) => event._tag === "PromiseLeft" && event.id === id)
    )
      return []
    if (aborted === undefined) return [`promise ${id} was left without an abort`]
    const limit = began.settle === null ? Infinity : aborted.at + began.settle
    return at >= limit ? [] : [`promise ${id} was left at ${at}, before it settled and before ${limit}`]
  })

export const laws: Record<
  | "did-not-happen"
  | "first-reason"
  | "reason-everywhere"
  | "deadline-min"
  | "listener-clean"
  | "raise-exactly-one"
  | "settle-before-release",
  Check
> = {
  "did-not-happen": didNotHappen,
  "first-reason": firstReason,
  "reason-everywhere": reasonEverywhere,
  "deadline-min": deadlineMin,
  "listener-clean": listenerClean,
  "raise-exactly-one": raiseExactlyOne,
  "settle-before-release": settleBeforeRelease
}
