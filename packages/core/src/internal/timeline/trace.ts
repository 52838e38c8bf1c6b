/**
 * A timeline in the JSON form of Chrome's Trace Event Format.
 *
 * Each thread has complete events (`X`) for its life, and within it for its wait and its cleanup, because a viewer demands that these
 * nest. Rungs, leases and releases overlap: they are pairs of async events (`b`, `e`), each pair with an id of its own.
 * Requests, raised errors and unwinds are instants (`i`).
 */
import type { Event, RecordedLease, RecordedThread, Timeline } from "./model.ts"
import { branches } from "./tree.ts"

/** An event of the trace. Times are in microseconds. */
interface TraceEvent {
  readonly name: string
  readonly cat: string
  readonly ph: "M" | "X" | "b" | "e" | "i"
  readonly ts: number
  readonly dur?: number
  readonly pid: number
  readonly tid: number
  readonly id?: string
  readonly s?: "t"
  readonly args?: Readonly<Record<string, unknown>>
}

const pid = 1

/** A nanosecond in microseconds. Speedscope orders events of the same time wrongly, so inner events are so much shorter. */
const tick = 0.001

export const render = (timeline: Timeline): string => {
  const threads = branches(timeline).map(({ thread }) => thread)
  const tids = new Map(threads.map(({ id }, index) => [id, index + 1]))
  const events = [
    metadata("process_name", 0, { name: "Quiesce" }),
    ...threads.flatMap((thread) => threadEvents(thread, tids.get(thread.id)!, timeline)),
    ...timeline.leases.flatMap((lease) => leaseEvents(lease, tids.get(lease.thread) ?? 0, timeline)),
    ...timeline.events.flatMap((event) => instants(event, tids.get(event.thread) ?? 0))
  ]
  const { dropped, startedAt } = timeline
  const rest = JSON.stringify({ displayTimeUnit: "ms", otherData: { startedAt, droppedEvents: dropped } })
  return `{"traceEvents":[\n${events.map((event) => JSON.stringify(event, known)).join(",\n")}\n],${rest.slice(1)}\n`
}

/** Leaves unknown values out, because Speedscope shows the arguments of an event in its name. */
const known = (_key: string, value: unknown): unknown => value ?? undefined

const metadata = (name: string, tid: number, args: TraceEvent["args"]): TraceEvent => ({
  name,
  cat: "__metadata",
  ph: "M",
  ts: 0,
  pid,
  tid,
  args: args!
})

/** Microseconds with three digits. A time from before the recording is its start. */
const micros = (millis: number): number => Math.max(0, Math.round(millis * 1e6) / 1000)

const round = (value: number): number => Math.round(value * 1000) / 1000

const complete = (
  name: string,
  tid: number,
  from: number,
  to: number,
  args?: TraceEvent["args"]
): ReadonlyArray<TraceEvent> =>
  to <= from ? [] : [{ name, cat: "thread", ph: "X", ts: from, dur: round(to - from), pid, tid, ...(args && { args }) }]

const pair = (
  cat: string,
  id: string,
  name: string,
  tid: number,
  from: number,
  to: number,
  args: TraceEvent["args"]
): ReadonlyArray<TraceEvent> => {
  const both = { name, cat, pid, tid, id }
  return [
    { ...both, ph: "b", ts: micros(from), args: args! },
    { ...both, ph: "e", ts: micros(Math.max(from, to)) }
  ]
}

const threadEvents = (thread: RecordedThread, tid: number, { until }: Timeline): ReadonlyArray<TraceEvent> => {
  const { asked, cleaningAt, end, id, name, parent, place, spawnedAt, startedAt, why } = thread
  const endedAt = thread.endedAt ?? until
  const from = micros(spawnedAt)
  const to = Math.max(round(from + tick), micros(endedAt))
  const waited = complete(
    "waits to start",
    tid,
    round(from + tick),
    round(Math.min(micros(startedAt ?? endedAt), to) - tick)
  )
  const cleaned =
    cleaningAt === null
      ? []
      : complete("cleans up", tid, Math.max(round(from + tick), micros(cleaningAt)), round(to - tick))
  return [
    metadata("thread_name", tid, { name: `${name} #${id}` }),
    metadata("thread_sort_index", tid, { sort_index: tid }),
    ...complete(name, tid, from, to, { id, parent, place, end: end ?? "still alive", why }),
    ...waited,
    ...cleaned,
    ...asked.flatMap(({ at, rung }, index) =>
      pair("rung", `rung ${id} ${rung}`, rung, tid, at, asked[index + 1]?.at ?? endedAt, { thread: name })
    )
  ]
}

const leaseEvents = (lease: RecordedLease, tid: number, { until }: Timeline): ReadonlyArray<TraceEvent> => {
  const { acquiredAt, error, id, name, releasingAt, result } = lease
  const endedAt = lease.endedAt ?? until
  const args = { result: result ?? "held", error }
  return [
    ...pair("lease", `lease ${id}`, `lease ${name}`, tid, acquiredAt, endedAt, args),
    ...(releasingAt === null
      ? []
      : pair("finalizer", `finalizer ${id}`, `finalizer ${name}`, tid, releasingAt, endedAt, args))
  ]
}

const instants = (event: Event, tid: number): ReadonlyArray<TraceEvent> => {
  const instant = (name: string, args: Readonly<Record<string, unknown>>): ReadonlyArray<TraceEvent> => [
    { name, cat: "event", ph: "i", ts: micros(event.at), pid, tid, s: "t", args }
  ]
  if (event._tag === "Asked")
    return instant(`asked: ${event.rung}`, { reason: event.reason, message: event.message, by: event.by })
  if (event._tag === "Raised") return instant("raised", { error: event.error })
  if (event._tag === "Unwound") return instant("unwind", { outcome: event.outcome, why: event.why })
  // The other events are the ends of spans.
  return []
}
