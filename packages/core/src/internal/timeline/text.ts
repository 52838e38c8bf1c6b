/** A timeline as text: one event a line. */
import type { Event, RecordedThread, Timeline } from "./model.ts"
import { branches, byId } from "./tree.ts"
import * as Words from "./words.ts"

const { count, duration, printable } = Words

export const render = (timeline: Timeline): string => {
  const threads = byId(timeline)
  const leases = new Map(timeline.leases.map((lease) => [lease.id, printable(lease.name)]))
  const depths = new Map(branches(timeline).map(({ depth, thread }) => [thread.id, depth]))
  const times = timeline.events.map(({ at }) => at.toFixed(3))
  const width = times.reduce((most, { length }) => Math.max(most, length), 0)
  const lines = timeline.events.map((event, index) => {
    const indent = "  ".repeat(Math.min(depths.get(event.thread) ?? 0, maxIndent))
    const name = nameOf(threads.get(event.thread), event.thread)
    return `${times[index]!.padStart(width)} ms  ${indent}${name} ${says(event, threads, leases)}`
  })
  const slowest = Words.slowestLine(timeline, threads)
  return [title(timeline), ...lines, ...(slowest === undefined ? [] : [slowest])].join("\n")
}

const maxIndent = 20

const title = ({ dropped, events, threads, until }: Timeline): string => {
  const what = `${count(threads.length, "thread")}, ${count(events.length, "event")} in ${duration(until)}`
  return dropped === 0 ? what : `${what}; ${count(dropped, "older event")} dropped`
}

const nameOf = (thread: RecordedThread | undefined, id: string): string =>
  thread === undefined ? `#${id}` : `${printable(thread.name)} #${id}`

const says = (
  event: Event,
  threads: ReadonlyMap<string, RecordedThread>,
  leases: ReadonlyMap<number, string>
): string => {
  const lease = "lease" in event ? `"${leases.get(event.lease) ?? event.lease}"` : ""
  switch (event._tag) {
    case "Spawned": {
      const parent = threads.get(event.thread)?.parent
      return parent === null || parent === undefined ? "spawned" : `spawned by ${nameOf(threads.get(parent), parent)}`
    }
    case "Started":
      return event.place === null ? "started" : `started on ${printable(event.place)}`
    case "Asked":
      return `${event.rung} requested${event.by === null ? "" : ` by ${printable(event.by)}`}: ${printable(event.message)}`
    case "Raised":
      return `got an error raised: ${printable(event.error)}`
    case "Unwound":
      return `${unwound[event.outcome]}${event.why === null ? "" : `: ${printable(event.why)}`}`
    case "CleaningUp":
      return "has run its body and cleans up"
    case "Ended":
      return `${Words.endings[event.end]}${event.why === null ? "" : `: ${printable(event.why)}`}`
    case "Acquired":
      return `acquired ${lease}`
    case "Releasing":
      return `releases ${lease}`
    case "LeaseEnded":
      return `${lease} ${Words.results[event.result]}${event.error === null ? "" : `: ${printable(event.error)}`}`
  }
}

const unwound = {
  Unwound: "had its code ended by force",
  Idle: "ran no code that could be ended by force",
  Refused: "was not unwound"
} as const
