/** The checks of the laws: a trace in, violations out. */
import type { ClusterLaw } from "./laws.ts"
import { absence, type Step } from "./scenario.ts"

export type End = "value" | "failed" | "interrupted" | "killed"

/** The events of a scenario. `thread` is the number of the spawn. */
export type ClusterEvent = { readonly at: number } & (
  | { readonly _tag: "Asked"; readonly thread: number }
  | { readonly _tag: "Started"; readonly thread: number; readonly runner: string }
  | { readonly _tag: "Wrote"; readonly thread: number }
  | {
      readonly _tag: "Settled"
      readonly thread: number
      readonly end: End
      readonly reason: string | undefined
      readonly hadStarted: boolean
    }
  | { readonly _tag: "Died"; readonly runner: string }
)

export interface ClusterTrace {
  readonly steps: ReadonlyArray<Step>
  readonly events: ReadonlyArray<ClusterEvent>
  /** The time of the end. */
  readonly until: number
}

type Of<Tag extends ClusterEvent["_tag"]> = Extract<ClusterEvent, { readonly _tag: Tag }>

const only = <Tag extends ClusterEvent["_tag"]>(events: ReadonlyArray<ClusterEvent>, tag: Tag) =>
  events.filter((event): event is Of<Tag> => event._tag === tag)

type Check = (trace: ClusterTrace) => ReadonlyArray<string>

const runOnce: Check = ({ events }) => {
  const starts = only(events, "Started")
  return starts
    .filter(({ thread }, index) => starts.findIndex((other) => other.thread === thread) < index)
    .map(({ runner, thread }) => `thread ${thread} started again, at ${runner}`)
}

/** The events after each end of a kind. */
const afterEnd = (
  { events }: ClusterTrace,
  isMeant: (settled: Of<"Settled">) => boolean,
  tag: "Started" | "Wrote",
  what: string
): ReadonlyArray<string> =>
  only(events, "Settled")
    .filter(isMeant)
    .filter(({ thread }, index, all) => {
      const later = only(events.slice(events.indexOf(all[index]!)), tag)
      return later.some((event) => event.thread === thread)
    })
    .map(({ thread }) => `thread ${thread} ${what}`)

/**
 * Longer than the time to live of a row, with the looks of the client and of the other runners. While the store is away,
 * nothing of a dead runner can be taken over.
 */
export const takeoverMillis = 8000

const takeoverTells: Check = ({ events, steps, until }) => {
  const limit = takeoverMillis + absence(steps)
  return only(events, "Died").flatMap(({ at, runner }) =>
    only(events, "Started")
      .filter((start) => start.runner === runner && start.at <= at && until >= at + limit)
      .filter(({ thread }) => {
        const settled = only(events, "Settled").find((one) => one.thread === thread)
        return settled === undefined || settled.at > at + limit
      })
      .map(({ thread }) => `thread ${thread} of ${runner} had not settled ${limit} ms after its death`)
  )
}

/** The steps that give no thread a reason to end, beside the request to it. */
const calm: ReadonlyArray<Step["_tag"]> = ["Spawn", "Wait", "Interrupt", "Join"]

/** Only the calm steps and these others start a thread again, or end a thread without a request. */
const harmless =
  (...others: ReadonlyArray<Step["_tag"]>): Check =>
  (trace) => {
    const allowed = new Set([...calm, ...others])
    if (!trace.steps.every(({ _tag }) => allowed.has(_tag))) return []
    const asked = new Set(only(trace.events, "Asked").map(({ thread }) => thread))
    const reasonless = only(trace.events, "Settled")
      .filter(({ end, reason, thread }) => !asked.has(thread) && end !== "value" && reason !== "Moved")
      .map(({ end, reason, thread }) => `thread ${thread} was ${end} without a request, with the reason ${reason}`)
    return [...runOnce(trace), ...reasonless]
  }

export const checks: Readonly<Record<ClusterLaw, Check>> = {
  "run-once": runOnce,
  "fence-holds": (trace) => afterEnd(trace, ({ end }) => end === "killed", "Wrote", "wrote after its kill"),
  "takeover-tells": takeoverTells,
  "cancel-before-start": (trace) =>
    afterEnd(trace, ({ hadStarted }) => !hadStarted, "Started", "started after it had ended without a start"),
  "join-harmless": harmless(),
  "absence-harmless": harmless("Away")
}
