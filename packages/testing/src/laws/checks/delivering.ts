/** The laws of what is told: reasons, raised errors, deadlines, what is shared; and of what is left over. */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Option from "effect/Option"
import { anyGivenUp, type Outcome } from "../Outcome.ts"
import { only } from "../Trace.ts"

type Check = (outcome: Outcome) => ReadonlyArray<string>

const didNotHappen: Check = (outcome) => {
  const { leftovers } = outcome
  // Nobody is there to say what is in the queue.
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
 * The items that the queue has taken in: those that were sent, and those that were in it, or had left it, when their
 * send was cancelled. A send may hear of the cancel in the step after the one in which it succeeded; what it may not is
 * to succeed after that.
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

/** A raise that was cancelled while it was pending is taken by nobody later. */
const withdrawn = (outcome: Outcome): ReadonlyArray<string> =>
  only(outcome.events, "RaiseWithdrawn").flatMap((event) => {
    const after = outcome.events.slice(outcome.events.indexOf(event))
    const claimedLater = only(after, "Received").some(
      ({ at, letter }) => letter === event.letter && at > event.at + slack
    )
    return claimedLater ? [`letter ${event.letter} was taken after it had been withdrawn`] : []
  })

/** What a region may take to unwind once it has claimed a letter. */
const slack = 50

const firstReason: Check = (outcome) => [
  ...only(outcome.events, "ReasonChanged").map(({ thread }) => `the reason of ${thread} changed`),
  ...[...outcome.threads.values()].flatMap(({ name, reason, told }) =>
    told === undefined || isSame(told, reason)
      ? []
      : [`the signal of ${name} says ${told.message}, not ${reason?.message}`]
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
 * Whether a thread may see a reason: its own; that of a region or deadline in it; that of a thread below it, which it
 * gets with the exit when it joins that; or, where it had none itself by then, that of one above, for which what it runs
 * is ended.
 */
const isReasonOf = (outcome: Outcome, thread: string, seen: CancelReason.CancelReason): boolean => {
  const own = outcome.threads.get(thread)?.reason
  return (
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

/** Whether two reasons say the same: one that has crossed to another thread is a copy. */
const isSame = (a: CancelReason.CancelReason, b: CancelReason.CancelReason | undefined): boolean =>
  a === b || (b !== undefined && a._tag === b._tag && a.message === b.message && a.by === b.by && a.at === b.at)

/** What core tells the work of a region that takes an error. */
const raised = "An error was raised into this work"

const hasDeadline = (outcome: Outcome, thread: string): boolean =>
  only(outcome.events, "DeadlineBegan").some((event) => event.thread === thread)

/** A region that has claimed an error ends its work also where it does not come to fail with it in the end. */
const wasRaisedInto = (outcome: Outcome, thread: string): boolean =>
  only(outcome.events, "Asked").some((event) => event.thread === thread && event.how === "raise")

/** A thread that ends because it was cancelled hands its reason on to those that it leaves behind. */
const descendants = (outcome: Outcome): ReadonlyArray<string> =>
  only(outcome.events, "Spawned").flatMap(({ parent, scope, thread }) => {
    const child = outcome.threads.get(thread)?.reason
    const ended = only(outcome.events, "BodyEnded").find((event) => event.thread === parent)
    if (child?._tag !== "ParentEnded" || child.parent !== parent || scope !== parent || ended === undefined) return []
    const reason = CancelReason.fromExit(ended.exit)
    return Option.isSome(reason) && isSame(reason.value, outcome.threads.get(parent)?.reason)
      ? [`${thread} was not told why ${parent} was cancelled`]
      : []
  })

const deadlineMin: Check = (outcome) => {
  const began = new Map(only(outcome.events, "DeadlineBegan").map((event) => [event.id, event.due]))
  const simple = !/Acquire|Mask|Finally|Fork|Group/.test(JSON.stringify(outcome.scenario.program))
  return only(outcome.events, "DeadlineEnded").flatMap((event) => {
    const problems: Array<string> = []
    const due = began.get(event.id)
    if (due !== undefined && due !== event.due)
      problems.push(`the deadline is ${due}, the smallest around is ${event.due}`)
    if (simple && event.at > event.due) problems.push(`work ran to ${event.at} with a deadline of ${event.due}`)
    if (event.exceeded && event.at < event.due) problems.push(`a deadline of ${event.due} passed at ${event.at}`)
    return problems
  })
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
  ...only(outcome.events, "Asked").flatMap(({ how, id }) =>
    how !== "raise" ||
    outcome.events.some(
      (event) => (event._tag === "RaiseAnswered" || event._tag === "RaiseWithdrawn") && event.letter === id
    )
      ? []
      : [`nobody was told what became of letter ${id}`]
  )
]

/** A region around took another letter in the same moment, and so interrupted whoever would have caught this one. */
const overtaken = (outcome: Outcome, thread: string, letter: number): boolean =>
  only(outcome.events, "Received").some((event) => event.thread === thread && event.letter !== letter)

const settleBeforeRelease: Check = (outcome) =>
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
