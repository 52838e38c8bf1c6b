/** The laws of the ladder and of its reports. */
import * as Escalation from "@quiesce/core/Escalation"
import type { ShutdownReport } from "@quiesce/core/ShutdownReport"
import * as ForcedEnd from "@quiesce/core/ForcedEnd"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { anyGivenUp, isAbandoned, isForced, isKilled, type Outcome } from "../Outcome.ts"
import { type Event, only } from "../Trace.ts"
import { firstBy } from "./firsts.ts"
import { askerOf, outlives } from "./outliving.ts"

type Check = (outcome: Outcome) => ReadonlyArray<string>

const reports = (outcome: Outcome): ReadonlyArray<Extract<Event, { readonly _tag: "Reported" }>> =>
  only(outcome.events, "Reported")

/** The reports of the shutdowns of the plan. A program may shut down its threads with other climbs. */
const planned = (outcome: Outcome): ReturnType<typeof reports> => {
  const requests = firstBy(outcome.events, "Asked", "id")
  return reports(outcome).filter(({ id }) => requests.get(id)?.message.startsWith("plan") ?? true)
}

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

/** How long a shutdown may search for the stack of a thread before it asks on the next rung. */
const longestSearch = 1000

const ladderMonotone: Check = (outcome) => {
  const climb = climbOf(outcome)
  if (climb === undefined) return []
  return planned(outcome).flatMap(({ report }) => {
    const problems: Array<string> = []
    if (isForcedByStop(report)) problems.push("stop has ended it by force")
    if (isGivenUpEarly(climb, report)) problems.push("it was abandoned without a grace above stop")
    let at = 0
    let search = 0
    let rank = -1
    for (const attempt of report.attempts) {
      const next = Escalation.rungs.indexOf(attempt.rung)
      if (next <= rank) problems.push(`${attempt.rung} was climbed out of order`)
      if (rungsBetween(climb, rank, next)) problems.push(`a rung below ${attempt.rung} was skipped`)
      if (attempt.at < at || attempt.at > at + search)
        problems.push(`${attempt.rung} was asked at ${attempt.at}, not at ${at}`)
      if (attempt._tag === "Outwaited" && attempt.millis !== graceOf(climb, attempt.rung))
        problems.push(`${attempt.rung} had ${attempt.millis} ms`)
      // The later rungs count from the rung that was asked after a search.
      at = attempt.at
      if (attempt._tag === "Outwaited") at += attempt.millis
      search = attempt._tag === "Outwaited" && attempt.stack !== null ? longestSearch : 0
      rank = next
    }
    return problems
  })
}

/** A thread that lacks the first rung above `stop` is interrupted instead, with the grace of that rung. */
const graceOf = (climb: Escalation.Escalation, rung: Escalation.Rung): Duration.Input | undefined =>
  climb[rung] ?? (rung === "interrupt" ? (climb.unwind ?? climb.kill) : undefined)

/**
 * Whether a thread was abandoned without an interrupt and a grace for its finalizers. A climb of `stop` alone has none. The end
 * of a parent may abandon a descendant of the first thread, by the descendant's own escalation.
 */
const isGivenUpEarly = ({ interrupt, kill, unwind }: Escalation.Escalation, report: ShutdownReport): boolean =>
  report.thread === "t" &&
  (interrupt ?? unwind ?? kill) !== undefined &&
  report.ending._tag === "Abandoned" &&
  !report.attempts.some(({ _tag, rung }) => rung !== "stop" && (_tag === "Outwaited" || _tag === "Overtaken"))

/** A stopped thread ends by itself or not at all. Descendants of the first thread may end with their scope. */
const isForcedByStop = ({ attempts, ending, thread }: ShutdownReport): boolean => {
  const last = attempts.at(-1)
  return thread === "t" && last?._tag === "Ended" && last.rung === "stop" && ending._tag === "Interrupted"
}

const rungsBetween = (climb: Escalation.Escalation, from: number, to: number): boolean =>
  Escalation.rungs.slice(from + 1, to).some((rung) => climb[rung] !== undefined)

/** Whether the ledger was observed before the first thread began. A cut may come between its spawn and that. */
const isWatched = (outcome: Outcome): boolean => {
  const spawned = only(outcome.events, "Spawned").find(({ thread }) => thread === "t")
  const started = only(outcome.events, "Started").find(({ thread }) => thread === "t")
  if (spawned === undefined || started === undefined) return spawned !== undefined
  return outcome.events.indexOf(spawned) < outcome.events.indexOf(started)
}

/**
 * The exit of an abandoned or killed thread says so, and the report names the lost leases: the leases in the ledger. A kill
 * is an interruption, and names the same leases.
 */
const killIsVisible: Check = (outcome) => [
  ...reports(outcome).flatMap(({ report }) => {
    const exit = outcome.threads.get(report.thread)?.exit
    const problems: Array<string> = []
    if ((report.ending._tag === "Abandoned") !== isAbandoned(exit))
      problems.push(`the exit of ${report.thread} does not say whether it was abandoned`)
    if ((report.ending._tag === "Killed") !== isKilled(exit))
      problems.push(`the exit of ${report.thread} does not say whether it was killed`)
    if (isKilled(exit) && Exit.isFailure(exit!) && !Cause.hasInterruptsOnly(exit.cause))
      problems.push(`the kill of ${report.thread} is not just an interruption`)
    // A later shutdown may come after the loss.
    if (outcome.scenario.plan.length > 1) return problems
    const lost = only(outcome.events, "Left").filter(({ fate }) => fate === "lost")
    if (!isAbandoned(exit) && !isForced(exit) && lost.length > 0) problems.push("leases were lost without a kill")
    if (!isWatched(outcome)) return problems
    problems.push(...misnamed("lost", names(lost), names(report.lost)))
    const killed = exit === undefined ? undefined : Option.getOrUndefined(ForcedEnd.fromExit(exit))
    return killed === undefined
      ? problems
      : [...problems, ...misnamed("lost in the kill", killed.lost, names(report.lost))]
  }),
  ...(anyGivenUp(outcome) ? lostOf(outcome) : []),
  ...lockOf(outcome),
  ...keptOf(outcome)
]

/**
 * Each held lease was released or lost, and not both. Several leases may have one name. Later leases of a descendant of an
 * abandoned thread are undecided while the descendant still runs.
 */
const lostOf = (outcome: Outcome): ReadonlyArray<string> => {
  const held = new Map<string, number>()
  const undecided = new Set<string>()
  const givenUp = new Set<string>()
  const isOnItsWay = (thread: string): boolean =>
    outcome.threads.get(thread)?.exit === undefined && [...givenUp].some((above) => thread.startsWith(`${above}.`))
  for (const event of outcome.events) {
    if (event._tag === "Settled" && isAbandoned(event.exit)) givenUp.add(event.thread)
    if (event._tag === "Entered" && isOnItsWay(event.thread)) undecided.add(event.lease)
    if (event._tag === "Entered") held.set(event.lease, (held.get(event.lease) ?? 0) + 1)
    if (event._tag === "Left") held.set(event.lease, (held.get(event.lease) ?? 0) - 1)
  }
  return [...held].flatMap(([lease, count]) =>
    count === 0 || undecided.has(lease) ? [] : [`${lease} was neither released nor lost, or both`]
  )
}

/** The host releases its kept leases, however the thread ended. */
const keptOf = (outcome: Outcome): ReadonlyArray<string> => {
  const released = new Set(names(only(outcome.events, "Released")))
  return only(outcome.events, "Acquired").flatMap(({ kept, lease }) =>
    kept !== true || released.has(lease) ? [] : [`${lease} is kept for nobody`]
  )
}

/**
 * The lock of a killed holder says that its owner died, and so does the lock of a plain function whose code was ended by
 * force under the lock: such an end skips the code that unlocks. Any other lock is free.
 */
const lockOf = (outcome: Outcome): ReadonlyArray<string> => {
  if (outcome.leftovers === undefined) return []
  const balance = only(outcome.events, "Locked").length - only(outcome.events, "Unlocked").length
  const isDead =
    balance > 0 && ([...outcome.threads.values()].some(({ exit }) => isForced(exit)) || isCutInLock(outcome))
  const expected = isDead ? "ownerDied" : "free"
  return outcome.leftovers.lock === expected || anyAbandoned(outcome)
    ? []
    : [`the lock is ${outcome.leftovers.lock}, not ${expected}`]
}

/** Whether synchronous code was ended by force after the last lock. */
const isCutInLock = ({ events }: Outcome): boolean => {
  const ended = new Set(only(events, "Spun").map(({ id }) => id))
  const locked = events.findLastIndex(({ _tag }) => _tag === "Locked")
  return events.some((event, place) => place > locked && event._tag === "Spinning" && !ended.has(event.id))
}

const anyAbandoned = (outcome: Outcome): boolean => [...outcome.threads.values()].some(({ exit }) => isAbandoned(exit))

const names = (leases: ReadonlyArray<{ readonly lease: string }>): ReadonlyArray<string> =>
  leases.map(({ lease }) => lease)

const misnamed = (
  what: string,
  happened: ReadonlyArray<string>,
  reported: ReadonlyArray<string>
): ReadonlyArray<string> =>
  happened.join() === reported.join()
    ? []
    : [`${what} were ${happened.join() || "none"}, the report says ${reported.join() || "none"}`]

const reportTrue: Check = (outcome) => [...waiting(outcome), ...(isClimbed(outcome) ? climbed(outcome) : [])]

const climbed: Check = (outcome) => [
  ...reports(outcome).flatMap((event) => falseIn(outcome, event)),
  ...wrongRungs(outcome),
  ...unlike(outcome),
  ...unreported(outcome)
]

/**
 * A thread that waits for a place is queued until it is asked to end. If it ends before it has a place, it never starts, and
 * its reports say so. No other report does.
 */
const waiting = (outcome: Outcome): ReadonlyArray<string> => {
  const { events } = outcome
  const waits = only(events, "Waiting").flatMap(({ dumped, status, thread }) => [
    ...(status === "Queued" ? [] : [`${thread} waited for a place, and its status was ${status}`]),
    ...(dumped === "queued" ? [] : [`${thread} waited for a place, and was ${dumped} in the dump`])
  ])
  return [...waits, ...reports(outcome).flatMap(({ report }) => misplaced(outcome, report))]
}

const misplaced = ({ events }: Outcome, { ending, thread }: ShutdownReport): ReadonlyArray<string> => {
  const hasWaited = only(events, "Waiting").some((event) => event.thread === thread)
  const settled = events.findIndex((event) => event._tag === "Settled" && event.thread === thread)
  const placed = events.findIndex(({ _tag }) => _tag === "Placed")
  const hasStarted = only(events, "Started").some((event) => event.thread === thread)
  if (!hasWaited || settled < 0 || (placed >= 0 && placed < settled)) {
    return ending._tag === "NeverStarted" && hasStarted
      ? [`${thread} started, and the report says that it never did`]
      : []
  }
  return [
    ...(hasStarted ? [`${thread} started, though it had ended before it had a place`] : []),
    ...(ending._tag === "Interrupted"
      ? [`${thread} never started, and the report says only that it was interrupted`]
      : [])
  ]
}

/** Whether nothing but shutdowns was planned. */
const isClimbed = ({ scenario }: Outcome): boolean =>
  scenario.plan.length > 0 && scenario.plan.every(({ action }) => action._tag === "Shutdown")

/**
 * Each of several shutdowns names the highest rung that any of them had asked on when the first thread ended. A shutdown
 * that came when the thread had ended needed no rung. A shutdown that has outwaited its last rung names that rung. It then
 * interrupts the thread before it abandons the thread. The end of a parent interrupts other threads, so that only the first
 * thread is judged.
 */
const wrongRungs = (outcome: Outcome): ReadonlyArray<string> => {
  const made = reports(outcome).flatMap(({ report }) => (report.thread === "t" ? [report] : []))
  const settled = only(outcome.events, "Settled").find(({ thread }) => thread === "t")
  if (made.length < 2 || settled === undefined) return []
  const asked = made.flatMap(({ attempts, startedAt }) =>
    attempts.flatMap((attempt) =>
      attempt._tag === "Unavailable" || startedAt + attempt.at > settled.at
        ? []
        : Escalation.rungs.indexOf(attempt.rung)
    )
  )
  const last = Escalation.rungs[Math.max(...asked)]
  const interrupt = Escalation.rungs.indexOf("interrupt")
  const reached = made.some(hasOutwaitedAll) ? Escalation.rungs[Math.max(...asked, interrupt)] : last
  return made.flatMap((report) =>
    report.rung === null ||
    report.rung === reached ||
    // The trace does not say whether such a thread ended by itself just before that interrupt or despite it.
    (report.rung === last && !Exit.hasInterrupts(settled.exit)) ||
    hasOutwaitedAll(report)
      ? []
      : [`the thread ended on ${reached}, the report says ${report.rung}`]
  )
}

const hasOutwaitedAll = ({ attempts }: ShutdownReport): boolean =>
  attempts.findLast(({ _tag }) => _tag !== "Unavailable")?._tag === "Outwaited"

/** A shutdown returns when its thread has ended, and so before the run is over, unless its caller was interrupted. */
const unreported = (outcome: Outcome): ReadonlyArray<string> => {
  const reported = new Set(reports(outcome).map(({ id }) => id))
  const interrupted = new Set(
    only(outcome.events, "Returned").flatMap(({ id, result }) => (Exit.hasInterrupts(result) ? [id] : []))
  )
  return only(outcome.events, "Asked").flatMap(({ how, id, message, thread }) =>
    how !== "shutdown" ||
    outcome.end !== "Done" ||
    reported.has(id) ||
    interrupted.has(id) ||
    outlives(outcome, askerOf(message))
      ? []
      : [`the shutdown of ${thread} had no report when the thread had ended`]
  )
}

const falseIn = (outcome: Outcome, event: Extract<Event, { readonly _tag: "Reported" }>): ReadonlyArray<string> => {
  const { report } = event
  const problems: Array<string> = []
  const asked = outcome.events.findIndex((other) => other._tag === "Asked" && other.id === event.id)
  const settled = only(outcome.events, "Settled").find(({ thread }) => thread === report.thread)
  const began = outcome.events[asked]!.at
  const millis = settled === undefined ? 0 : Math.max(0, settled.at - began)
  if (report.startedAt !== began) problems.push(`it began at ${began}, the report says ${report.startedAt}`)
  if (report.millis !== millis) problems.push(`it took ${millis} ms, the report says ${report.millis}`)
  // The clock of the caller, who got the report at once.
  const passed = event.at - began
  if (report.millis !== passed) problems.push(`the shutdown took ${passed} ms, the report says ${report.millis}`)
  if (settled !== undefined && (report.ending._tag === "Succeeded") !== Exit.isSuccess(settled.exit))
    problems.push(`it did not end as ${report.ending._tag}`)
  if (report.rung === null && report.attempts.length > 0) problems.push("the rung is missing")
  if (!isWatched(outcome)) return problems
  problems.push(...unaccounted(outcome, event))
  // A step may lie between the request of a later shutdown and the start of its report.
  if (outcome.scenario.plan.length > 1) return problems
  const left = only(outcome.events.slice(asked, outcome.events.indexOf(event)), "Left").filter(({ thread }) =>
    below(report.thread, thread)
  )
  for (const fate of ["released", "failed", "timedOut", "lost"] as const) {
    problems.push(...misnamed(fate, names(left.filter((other) => other.fate === fate)), names(report[fate])))
  }
  return [...problems, ...misheld(outcome, report)]
}

/**
 * Of each lease that a thread, or a descendant, held before its end, the ledger has a result when the report is made. An
 * abandoned descendant may acquire leases after its own end.
 */
const unaccounted = (
  { events }: Outcome,
  reported: Extract<Event, { readonly _tag: "Reported" }>
): ReadonlyArray<string> => {
  const { thread } = reported.report
  const settled = events.findIndex((event) => event._tag === "Settled" && event.thread === thread)
  const before = events.slice(0, events.indexOf(reported))
  const left = new Map<string, number>()
  for (const { lease } of only(before, "Left")) left.set(lease, (left.get(lease) ?? 0) + 1)
  return only(before.slice(0, settled < 0 ? undefined : settled), "Entered").flatMap((event) => {
    const ended = before.findIndex((other) => other._tag === "Settled" && below(other.thread, event.thread))
    if (!below(thread, event.thread) || (ended >= 0 && ended < before.indexOf(event))) return []
    const count = left.get(event.lease) ?? 0
    left.set(event.lease, count - 1)
    return count > 0 ? [] : [`the report of ${thread} was made without a result for ${event.lease}`]
  })
}

/** Leases of a program have different names. Leases that the host keeps share one name. */
const isOwn = (lease: string): boolean => lease.includes("/")

/** The time for which a lease was held. */
const misheld = (outcome: Outcome, report: ShutdownReport): ReadonlyArray<string> =>
  [...report.released, ...report.failed, ...report.timedOut, ...report.lost].flatMap(({ heldMillis, lease }) => {
    if (!isOwn(lease)) return []
    const from = only(outcome.events, "Entered").find((event) => event.lease === lease)
    const to = only(outcome.events, "Left").find((event) => event.lease === lease)
    const held = (to?.at ?? 0) - (from?.at ?? 0)
    return held === heldMillis ? [] : [`${lease} was held for ${held} ms, the report says ${heldMillis}`]
  })

const hows = { released: "ok", failed: "failed", timedOut: "cut" } as const

/**
 * The events of the ledger are the events of the trace, at the same times. The last events of a killed worker may not have
 * left it, although its ledger did.
 */
const unlike = (outcome: Outcome): ReadonlyArray<string> =>
  only(outcome.events, "Left").flatMap(({ at, fate, lease, thread }) => {
    if (fate === "lost" || !isOwn(lease)) return []
    const released = only(outcome.events, "Released").find((event) => event.lease === lease)
    if (released === undefined && outcome.leftovers === undefined && isForced(outcome.threads.get(thread)?.exit))
      return []
    return released?.how === hows[fate] && released.at === at
      ? []
      : [`${lease} was ${fate} at ${at} for the ledger, and ${released?.how ?? "not ended"} at ${released?.at}`]
  })

/** Whether a thread is another thread or its descendant. Names of children begin with the name of the parent. */
const below = (ancestor: string, thread: string): boolean => thread === ancestor || thread.startsWith(`${ancestor}.`)

export const laws: Record<"ladder-monotone" | "kill-is-visible" | "report-true", Check> = {
  "ladder-monotone": ladderMonotone,
  "kill-is-visible": killIsVisible,
  "report-true": reportTrue
}
