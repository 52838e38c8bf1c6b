/** Writes the reports of a climb while it happens. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as CancelReason from "../CancelReason.ts"
import type { Escalation, Rung, Step } from "../Escalation.ts"
import type { Attempt, Ending, LeaseOutcome, ShutdownReport } from "../ShutdownReport.ts"
import type { UnwindOutcome } from "./threadControls.ts"
import * as Climb from "./climb.ts"
import { endingOf } from "./ending.ts"
import * as Texts from "./errorTexts.ts"
import * as Ledger from "./ledger.ts"
import type { LeaseResult, Observed, Observer } from "./leaseAccount.ts"
import * as Misuse from "./misuse.ts"
import { received } from "./settlement.ts"
import * as StackSearch from "./stackSearch.ts"
import * as Steps from "./steps.ts"
import type { ThreadNode } from "./threadNode.ts"
import * as State from "./threadState.ts"
import * as UnreportedEnd from "./unreportedEnd.ts"

/**
 * Climbs an escalation with threads and reports on each. `target` is observed meanwhile: the one thread, or the group of
 * all.
 *
 * *Cancellation*: requests that were made stay made. No further rung is climbed.
 */
export const shutdown = (
  target: Observed<ThreadNode>,
  nodes: ReadonlyArray<ThreadNode>,
  escalation: Escalation,
  reason: CancelReason.CancelReason
): Effect.Effect<Array<ShutdownReport>> =>
  Effect.suspend(() => {
    const steps = Steps.of(escalation)
    if (typeof steps === "string")
      return Misuse.die({ _tag: "InvalidEscalation", problem: steps }, Texts.invalidEscalation)
    const recorder = new Recorder(nodes, reason)
    Ledger.observe(target, recorder)
    return Effect.ensuring(
      Effect.map(Climb.climb(nodes, steps, reason, recorder), () => recorder.reports),
      Effect.sync(() => {
        for (const search of recorder.searches) search.interruptUnsafe()
        Ledger.unobserve(target, recorder)
      })
    )
  })

const nothing: ReadonlyArray<never> = []

/** Notes on a thread besides its end. */
interface Notes {
  readonly leases: Partial<Record<LeaseResult, Array<LeaseOutcome>>>
  /** One for each rung that did not end the thread, in order. */
  outwaited: ReadonlyArray<Attempt>
  /** Why its unwind was refused at first. */
  refusal: string | undefined
  isAbandoned: boolean
}

interface Asked {
  readonly rung: Rung
  readonly at: number
}

/**
 * The last report, if its thread was interrupted and held nothing. A thread that has ended in the same way, at the same time,
 * has the same report with another name.
 */
interface LastReport {
  readonly cause: Cause.Cause<unknown> | undefined
  readonly state: State.State
  readonly endedAt: number | undefined
  readonly report: ShutdownReport
}

/** The report of another thread. Each field is written out, because V8 copies an object by `...` more slowly. */
const renamed = (report: ShutdownReport, thread: string): ShutdownReport => ({
  thread,
  reason: report.reason,
  startedAt: report.startedAt,
  millis: report.millis,
  rung: report.rung,
  attempts: report.attempts,
  ending: report.ending,
  released: report.released,
  failed: report.failed,
  timedOut: report.timedOut,
  lost: report.lost
})

const abandoned: Ending = { _tag: "Abandoned" }

const isBelow = (lower: Rung | undefined, higher: Rung | undefined): boolean =>
  lower !== undefined && higher !== undefined && Steps.rungs.indexOf(lower) < Steps.rungs.indexOf(higher)

/** Whether another request took the thread from the rung of this climb to a higher one, or abandoned the thread. */
const isOvertaken = (rung: Rung, reached: Rung | undefined, ending: Ending): boolean =>
  isBelow(rung, reached) || (reached !== undefined && ending._tag === "Abandoned")

class Recorder implements Climb.Observer, Observer<ThreadNode> {
  readonly reportsLosses = true
  /** Each place is written once, before the climb is over. */
  readonly reports: Array<ShutdownReport> = []
  /** The searches for stacks. */
  readonly searches: Array<Fiber.Fiber<void>> = []
  private readonly reason: CancelReason.CancelReason
  private readonly startedAt: number
  private readonly asks: Array<Asked> = []
  /** Of the threads of which there is something to note. */
  private readonly notes: Map<ThreadNode, Notes> = new Map()
  private last: LastReport | undefined

  constructor(nodes: ReadonlyArray<ThreadNode>, reason: CancelReason.CancelReason) {
    this.reason = reason
    this.startedAt = nodes[0]?.clock.currentTimeMillisUnsafe() ?? 0
  }

  settled(observed: ThreadNode, result: LeaseResult, outcome: LeaseOutcome): void {
    const { leases } = this.notesOf(observed)
    ;(leases[result] ??= []).push(outcome)
  }

  asked(step: Step, now: number): void {
    this.asks.push({ rung: step.rung, at: now - this.startedAt })
  }

  unavailable(node: ThreadNode, rung: Rung, now: number): void {
    this.missed(node, { _tag: "Unavailable", rung, at: now - this.startedAt, why: whyUnavailable(node, rung) })
  }

  unwound(node: ThreadNode, outcome: UnwindOutcome): void {
    if (outcome._tag === "Refused") this.notesOf(node).refusal = outcome.why
    if (outcome._tag === "Idle" || outcome.stack === undefined) return
    // The unwind came when the thread had outwaited the rung before.
    const before = this.notes.get(node)?.outwaited.findLast((attempt) => attempt._tag === "Outwaited")
    if (before !== undefined && before.rung !== "unwind") this.located(node, before.rung, outcome.stack)
  }

  outwaited(nodes: ReadonlyArray<ThreadNode>, now: number, { defects, steps }: Climb.Next): Effect.Effect<void> {
    const { rung, at } = this.asks.at(-1)!
    for (const node of nodes) {
      const finalizer = Ledger.releasing(node)?.name ?? null
      const why = (rung === "unwind" ? this.notes.get(node)?.refusal : undefined) ?? null
      this.missed(node, { _tag: "Outwaited", rung, at, millis: now - this.startedAt - at, stack: null, finalizer, why })
    }
    return StackSearch.search(
      nodes.filter((node) => StackSearch.isLastChance(node, steps)),
      defects,
      (node, stack) => this.located(node, rung, stack),
      (search) => this.searches.push(search)
    )
  }

  private located(node: ThreadNode, rung: Rung, stack: string): void {
    const notes = this.notesOf(node)
    notes.outwaited = notes.outwaited.map((attempt) =>
      attempt._tag === "Outwaited" && attempt.rung === rung ? { ...attempt, stack } : attempt
    )
  }

  ended(node: ThreadNode, place: number): void {
    this.reports[place] = this.report(node)
  }

  abandoned(node: ThreadNode, place: number): void {
    this.notesOf(node).isAbandoned = true
    this.reports[place] = this.report(node)
  }

  private report(node: ThreadNode): ShutdownReport {
    const exit = received(node, node.controls.poll()!)
    const cause = exit._tag === "Failure" ? exit.cause : undefined
    const notes = this.notes.size === 0 ? clean : (this.notes.get(node) ?? clean)
    const { endedAt, state } = node
    const { last } = this
    if (
      last !== undefined &&
      last.cause === cause &&
      notes === clean &&
      last.state === state &&
      last.endedAt === endedAt &&
      node.controls.hasStarted !== false
    ) {
      return renamed(last.report, node.name)
    }
    const report = this.write(node, notes)
    this.last = notes === clean && report.ending._tag === "Interrupted" ? { cause, state, endedAt, report } : undefined
    return report
  }

  private write(node: ThreadNode, { leases, outwaited, isAbandoned }: Notes): ShutdownReport {
    const { startedAt } = this
    // A node that settles while it is observed keeps the time.
    const endedBefore = this.asks.length === 0 || node.endedAt === undefined || node.endedAt < startedAt
    const endedAt = endedBefore ? startedAt : (node.endedAt ?? node.clock.currentTimeMillisUnsafe())
    const reached = State.rungOf(node.state)
    const next = endedBefore || isAbandoned ? undefined : this.asks[outwaited.length]
    // A thread that ended just before the request of the next rung was not asked on that rung.
    const last = next === undefined || isBelow(reached, next.rung) ? undefined : next
    const waited = outwaited.findLast((_) => _._tag === "Outwaited")?.rung
    // The interrupt before a thread is abandoned may have ended the thread.
    const own = last?.rung ?? (!isAbandoned && next === undefined && isBelow(waited, reached) ? reached : waited)
    const ending = isAbandoned ? abandoned : endingOf(node)
    if (ending._tag === "Abandoned" || ending._tag === "Killed") UnreportedEnd.reported(node)
    const overtaken = last !== undefined && isOvertaken(last.rung, reached, ending)
    const rung = overtaken ? reached : own
    return {
      thread: node.name,
      reason: node.reason ?? this.reason,
      startedAt,
      millis: endedAt - startedAt,
      rung: rung ?? null,
      attempts: this.attemptsOf(outwaited, last, overtaken ? reached : undefined, endedAt),
      ending,
      released: leases.released ?? nothing,
      failed: leases.failed ?? nothing,
      timedOut: leases.timedOut ?? nothing,
      lost: leases.lost ?? nothing
    }
  }

  private attemptsOf(
    outwaited: ReadonlyArray<Attempt>,
    last: Asked | undefined,
    to: Rung | undefined,
    endedAt: number
  ): ReadonlyArray<Attempt> {
    if (last === undefined) return outwaited
    const millis = endedAt - this.startedAt - last.at
    return to === undefined
      ? [...outwaited, { _tag: "Ended", rung: last.rung, at: last.at, millis }]
      : [...outwaited, { _tag: "Overtaken", rung: last.rung, at: last.at, millis, to }]
  }

  private missed(node: ThreadNode, attempt: Attempt): void {
    const notes = this.notesOf(node)
    notes.outwaited = [...notes.outwaited, attempt]
  }

  private notesOf(node: ThreadNode): Notes {
    let notes = this.notes.get(node)
    if (notes === undefined) {
      notes = { leases: {}, outwaited: nothing, refusal: undefined, isAbandoned: false }
      this.notes.set(node, notes)
    }
    return notes
  }
}

const clean: Notes = { leases: {}, outwaited: nothing, refusal: undefined, isAbandoned: false }

/** The reason for which a thread lacks a rung. */
const whyUnavailable = ({ controls }: ThreadNode, rung: Rung): string =>
  rung === "unwind"
    ? (controls.unwindProblem ?? "the synchronous code of this thread runs on the one that would have to end it")
    : "a fiber can't be ended by force"
