/** Writes the reports of a climb while it happens. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as CancelReason from "../CancelReason.ts"
import type { Rung, Step } from "../Escalation.ts"
import type { Attempt, Ending, LeaseOutcome, ShutdownReport } from "../ShutdownReport.ts"
import { isThreadError } from "../ThreadError.ts"
import * as Ladder from "./ladder.ts"
import * as Ledger from "./ledger.ts"
import type { Fate, ThreadNode, Watch } from "./threadNode.ts"

/**
 * Climbs with a group of threads and reports on each.
 *
 * *Cancellation*: what was asked stays asked; nobody climbs on.
 */
export const shutdown = (
  nodes: ReadonlyArray<ThreadNode>,
  steps: ReadonlyArray<Step>,
  reason: CancelReason.CancelReason
): Effect.Effect<Array<ShutdownReport>> =>
  Effect.suspend(() => {
    const recorder = new Recorder(nodes)
    return Effect.ensuring(
      Effect.map(Ladder.climb(nodes, steps, reason, recorder), () => recorder.reports(reason)),
      Effect.sync(() => recorder.end())
    )
  })

const nothing: ReadonlyArray<never> = []

/** What is noted of one thread. */
class Entry implements Watch {
  readonly node: ThreadNode
  readonly startedAt: number
  endedAt: number | undefined
  /** One for each rung that did not end the thread, in order. */
  outwaited: ReadonlyArray<Attempt> = nothing
  lingers = false
  private leases: Partial<Record<Fate, Array<LeaseOutcome>>> | undefined = undefined

  constructor(node: ThreadNode) {
    this.node = node
    this.startedAt = node.clock.currentTimeMillisUnsafe()
    this.endedAt = node.isAlive ? undefined : this.startedAt
    Ledger.watch(node, this)
  }

  heard(fate: Fate, outcome: LeaseOutcome): void {
    const leases = (this.leases ??= {})
    ;(leases[fate] ??= []).push(outcome)
  }

  report(asks: ReadonlyArray<Asked>, reason: CancelReason.CancelReason): ShutdownReport {
    const { node, startedAt, leases, outwaited } = this
    const endedAt = this.endedAt ?? node.clock.currentTimeMillisUnsafe()
    // One that had ended before, was asked nothing.
    const last = this.lingers ? undefined : asks[outwaited.length]
    const rung = this.lingers ? outwaited.findLast((_) => _._tag === "Outwaited")?.rung : last?.rung
    return {
      thread: node.name,
      reason: node.reason ?? reason,
      startedAt,
      millis: endedAt - startedAt,
      rung: rung ?? null,
      attempts:
        last === undefined
          ? outwaited
          : [...outwaited, { _tag: "Ended", rung: last.rung, at: last.at - startedAt, millis: endedAt - last.at }],
      ending: this.lingers ? { _tag: "Lingers" } : endingOf(node.controls.poll()!),
      released: leases?.released ?? nothing,
      failed: leases?.failed ?? nothing,
      timedOut: leases?.timedOut ?? nothing,
      lost: leases?.lost ?? nothing
    }
  }
}

interface Asked {
  readonly rung: Rung
  readonly at: number
}

class Recorder implements Ladder.Observer {
  private readonly entries: ReadonlyArray<Entry>
  private readonly asks: Array<Asked> = []
  private readonly endedBefore: ReadonlySet<Entry>
  /** Made when the first rung has not been enough. */
  private byNode: Map<ThreadNode, Entry> | undefined = undefined

  constructor(nodes: ReadonlyArray<ThreadNode>) {
    this.entries = nodes.map((node) => new Entry(node))
    this.endedBefore = new Set(this.entries.filter((entry) => entry.endedAt !== undefined))
  }

  asked(step: Step, at: number): void {
    this.asks.push({ rung: step.rung, at })
  }

  unavailable(node: ThreadNode, rung: Rung, now: number, why: string): void {
    const entry = this.entryOf(node)
    entry.outwaited = [...entry.outwaited, { _tag: "Unavailable", rung, at: now - entry.startedAt, why }]
  }

  outwaited(node: ThreadNode, stack: string | null, now: number): void {
    const entry = this.entryOf(node)
    const { rung, at } = this.asks.at(-1)!
    const finalizer = Ledger.releasing(node)?.name ?? null
    entry.outwaited = [
      ...entry.outwaited,
      { _tag: "Outwaited", rung, at: at - entry.startedAt, millis: now - at, stack, finalizer }
    ]
  }

  abandoned(node: ThreadNode): void {
    this.entryOf(node).lingers = true
  }

  end(): void {
    for (const entry of this.entries) Ledger.unwatch(entry.node, entry)
  }

  reports(reason: CancelReason.CancelReason): Array<ShutdownReport> {
    return this.entries.map((entry) => entry.report(this.endedBefore.has(entry) ? nothing : this.asks, reason))
  }

  private entryOf(node: ThreadNode): Entry {
    this.byNode ??= new Map(this.entries.map((entry) => [entry.node, entry]))
    return this.byNode.get(node)!
  }
}

/** An exit as plain data. */
const endingOf = (exit: Exit.Exit<unknown, unknown>): Ending => {
  if (exit._tag === "Success") return { _tag: "Succeeded" }
  for (const { defect } of exit.cause.reasons.filter(Cause.isDieReason)) {
    if (!isThreadError(defect)) continue
    if (defect.reason._tag === "Abandoned") return { _tag: "Lingers" }
    if (defect.reason._tag === "Crashed") return { _tag: "Crashed", error: defect.message }
    if (defect.reason._tag === "Killed") {
      const reason = Option.getOrElse(CancelReason.fromCause(exit.cause), () => CancelReason.interrupted("Killed"))
      return { _tag: "Killed", reason }
    }
  }
  if (Cause.hasInterruptsOnly(exit.cause)) {
    return { _tag: "Interrupted", reason: Option.getOrThrow(CancelReason.fromCause(exit.cause)) }
  }
  return { _tag: "Failed", error: Cause.pretty(exit.cause) }
}
