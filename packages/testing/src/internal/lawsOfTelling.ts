/** The laws of what is told: reasons, raised errors, deadlines, reports; and of what is left over. */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Escalation from "@quiesce/core/Escalation"
import type { ShutdownReport } from "@quiesce/core/ShutdownReport"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Outcome } from "../Scenario.ts"
import { type Event, only } from "../Trace.ts"
import { anyAbandoned, isAbandoned } from "./world.ts"

type Check = (outcome: Outcome) => ReadonlyArray<string>

const didNotHappen: Check = (outcome) => {
  const sent = new Set(only(outcome.events, "Sent").map(({ item }) => item))
  const arrived = [...only(outcome.events, "Taken").map(({ item }) => item), ...outcome.queued]
  const doubled = arrived.filter((item, index) => arrived.indexOf(item) !== index)
  return [
    ...doubled.map((item) => `item ${item} arrived twice`),
    ...arrived.filter((item) => !sent.has(item)).map((item) => `item ${item} arrived, though its send was cancelled`),
    ...[...sent].filter((item) => !arrived.includes(item)).map((item) => `item ${item} was lost`),
    ...(outcome.unlocked ? [] : ["the lock was left locked"]),
    ...withdrawn(outcome)
  ]
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
  ...[...outcome.threads.values()].flatMap(({ name, thread }) => {
    if (!thread.stopSignal.aborted) return []
    const told = CancelReason.fromUnknown(thread.stopSignal.reason)
    return told === thread.reason ? [] : [`the signal of ${name} says ${told.message}, not ${thread.reason?.message}`]
  })
]

/** A program in which a thread is interrupted only because it or an ancestor was asked. */
const plain = (outcome: Outcome): boolean =>
  !/Join|Group|Deadline|Receive|UntilStopped|Shutdown/.test(JSON.stringify(outcome.scenario.program)) &&
  outcome.scenario.plan.every(({ action }) => action._tag !== "Close")

const reasonEverywhere: Check = (outcome) => {
  if (!plain(outcome)) return []
  const finalizers = only(outcome.events, "Releasing").flatMap(({ lease, reason, thread }) => {
    const own = outcome.threads.get(thread)?.thread.reason
    return reason === undefined || reason === own
      ? []
      : [`the release of ${lease} saw ${reason.message}, the reason is ${own?.message}`]
  })
  const exits = only(outcome.events, "Settled").flatMap(({ exit, thread }) => {
    const seen = CancelReason.fromExit(exit)
    const own = outcome.threads.get(thread)?.thread.reason
    return Option.isNone(seen) || seen.value === own
      ? []
      : [`the exit of ${thread} says ${seen.value.message}, the reason is ${own?.message}`]
  })
  return [...finalizers, ...exits, ...descendants(outcome)]
}

const descendants = (outcome: Outcome): ReadonlyArray<string> =>
  only(outcome.events, "Spawned").flatMap(({ parent, scope, thread }) => {
    const child = outcome.threads.get(thread)?.thread.reason
    const ended = only(outcome.events, "BodyEnded").find((event) => event.thread === parent)
    if (child?._tag !== "ParentEnded" || child.parent !== parent || scope !== parent || ended === undefined) return []
    return Option.isSome(CancelReason.fromExit(ended.exit))
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

const reports = (outcome: Outcome): ReadonlyArray<Extract<Event, { readonly _tag: "Reported" }>> =>
  only(outcome.events, "Reported")

const climbOf = (outcome: Outcome): Escalation.Escalation | undefined => {
  const only = outcome.scenario.plan.length === 1 ? outcome.scenario.plan[0]!.action : undefined
  if (only?._tag !== "Shutdown") return undefined
  const { interrupt, kill, stop, unwind } = only.climb
  return {
    interrupt: interrupt ?? undefined,
    kill: kill ?? undefined,
    stop: stop ?? undefined,
    unwind: unwind ?? undefined
  }
}

const ladderMonotone: Check = (outcome) => {
  const climb = climbOf(outcome)
  if (climb === undefined) return []
  return reports(outcome).flatMap(({ report }) => {
    const problems: Array<string> = []
    let at = 0
    let rank = -1
    for (const attempt of report.attempts) {
      const next = Escalation.rungs.indexOf(attempt.rung)
      if (next <= rank) problems.push(`${attempt.rung} was climbed out of order`)
      if (rungsBetween(climb, rank, next)) problems.push(`a rung below ${attempt.rung} was skipped`)
      if (attempt.at !== at) problems.push(`${attempt.rung} was asked at ${attempt.at}, not at ${at}`)
      if (attempt._tag === "Outwaited" && attempt.millis !== climb[attempt.rung])
        problems.push(`${attempt.rung} had ${attempt.millis} ms`)
      if (attempt._tag === "Outwaited") at += attempt.millis
      rank = next
    }
    return problems
  })
}

const rungsBetween = (climb: Escalation.Escalation, from: number, to: number): boolean =>
  Escalation.rungs.slice(from + 1, to).some((rung) => climb[rung] !== undefined)

const killIsVisible: Check = (outcome) =>
  reports(outcome).flatMap(({ report }) => {
    const exit = outcome.threads.get(report.thread)?.thread.controls.poll()
    const abandoned = isAbandoned(exit)
    if ((report.ending._tag === "Lingers") !== abandoned)
      return [`the exit of ${report.thread} does not say that it was abandoned`]
    return abandoned
      ? lostOf(outcome, report)
      : report.lost.length === 0
        ? []
        : ["leases were lost without an abandonment"]
  })

const lostOf = (outcome: Outcome, report: ShutdownReport): ReadonlyArray<string> => {
  const settled = outcome.events.findIndex((event) => event._tag === "Settled" && event.thread === report.thread)
  const before = outcome.events.slice(0, settled)
  const done = new Set(only(before, "Released").map(({ lease }) => lease))
  const held = only(before, "Acquired")
    .filter(
      ({ at, lease, thread }) => below(report.thread, thread) && !done.has(lease) && at < outcome.events[settled]!.at
    )
    .map(({ lease }) => lease)
  // What was acquired in the moment of the end may be in the ledger or the trace and not in the other.
  const moment = outcome.events[settled]!.at
  const edge = [...only(outcome.events, "Acquired"), ...only(before, "Released")]
    .filter(({ at }) => at === moment)
    .map(({ lease }) => lease)
  const acquired = new Set(only(before, "Acquired").map(({ lease }) => lease))
  const told = report.lost.map(({ lease }) => lease).filter((lease) => acquired.has(lease) && !edge.includes(lease))
  return same(held, told) ? [] : [`lost were ${held.join()}, the report says ${told.join()}`]
}

/** Whether a thread is another one or a descendant of it; children are named after their parents. */
const below = (ancestor: string, thread: string): boolean => thread === ancestor || thread.startsWith(`${ancestor}.`)

const same = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean =>
  a.length === b.length && a.toSorted().join() === b.toSorted().join()

const reportTrue: Check = (outcome) =>
  climbOf(outcome) === undefined ? [] : reports(outcome).flatMap((event) => falseIn(outcome, event))

const falseIn = (outcome: Outcome, event: Extract<Event, { readonly _tag: "Reported" }>): ReadonlyArray<string> => {
  const { report } = event
  const problems: Array<string> = []
  const asked = outcome.events.findIndex((other) => other._tag === "Asked" && other.id === event.id)
  const settled = only(outcome.events, "Settled").find(({ thread }) => thread === report.thread)
  const began = outcome.events[asked]!.at
  const millis = settled === undefined ? 0 : Math.max(0, settled.at - began)
  if (report.startedAt !== began) problems.push(`it began at ${began}, the report says ${report.startedAt}`)
  if (report.millis !== millis) problems.push(`it took ${millis} ms, the report says ${report.millis}`)
  if (settled !== undefined && (report.ending._tag === "Succeeded") !== Exit.isSuccess(settled.exit))
    problems.push(`it did not end as ${report.ending._tag}`)
  if (report.rung === null && report.attempts.length > 0) problems.push("the rung is missing")
  const window = outcome.events.slice(asked, outcome.events.indexOf(event))
  const isBelow = (name: string) => name === report.thread || name.startsWith(`${report.thread}.`)
  for (const [how, told] of [
    ["ok", report.released],
    ["failed", report.failed],
    ["cut", report.timedOut]
  ] as const) {
    const happened = only(window, "Released")
      .filter((other) => other.how === how && isBelow(other.thread))
      .map(({ lease }) => lease)
    // One that ended in the very moment of the asking may be noted by the trace before and by the ledger after it.
    const edge = only(outcome.events, "Released")
      .filter((other) => other.at === began)
      .map(({ lease }) => lease)
    const names = told.map(({ lease }) => lease).filter((lease) => !edge.includes(lease))
    if (
      report.lost.length === 0 &&
      !same(
        happened.filter((lease) => !edge.includes(lease)),
        names
      )
    ) {
      problems.push(`${how} were ${happened.join()}, the report says ${told.map(({ lease }) => lease).join()}`)
    }
  }
  return problems
}

const listenerClean: Check = (outcome) =>
  outcome.run.end._tag !== "Done" || anyAbandoned(outcome.threads)
    ? []
    : [
        ...(outcome.run.tasks === 0 ? [] : [`${outcome.run.tasks} tasks were left`]),
        ...(outcome.run.sleeps === 0 ? [] : [`${outcome.run.sleeps} timers were left`]),
        ...(outcome.listeners === 0 ? [] : [`${outcome.listeners} listeners were left`])
      ]

const raiseExactlyOne: Check = (outcome) => [
  ...only(outcome.events, "RaiseAnswered").flatMap(({ delivered, letter, thread }) => {
    const received = only(outcome.events, "Received").filter((event) => event.letter === letter)
    const cancelled =
      outcome.threads.get(thread)?.thread.reason !== undefined ||
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
  | "ladder-monotone"
  | "kill-is-visible"
  | "listener-clean"
  | "raise-exactly-one"
  | "settle-before-release"
  | "report-true",
  Check
> = {
  "did-not-happen": didNotHappen,
  "first-reason": firstReason,
  "reason-everywhere": reasonEverywhere,
  "deadline-min": deadlineMin,
  "ladder-monotone": ladderMonotone,
  "kill-is-visible": killIsVisible,
  "listener-clean": listenerClean,
  "raise-exactly-one": raiseExactlyOne,
  "settle-before-release": settleBeforeRelease,
  "report-true": reportTrue
}
