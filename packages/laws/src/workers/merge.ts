/** One trace of what happened on both sides, in order. */
import type { Ended } from "@quiesce/testing/Outcome"
import type { Event } from "@quiesce/testing/Trace"

export interface Numbered {
  readonly sequence: number
  readonly event: Event
}

export interface Merged {
  readonly events: ReadonlyArray<Event>
  readonly threads: ReadonlyMap<string, Ended>
}

/**
 * Of the first thread the host knows the end, of those below it the worker. When the first one ends, only both together
 * know what lives.
 */
export const merge = (
  here: ReadonlyArray<Numbered>,
  there: ReadonlyArray<Numbered>,
  first: ReadonlyMap<string, Ended>,
  below: ReadonlyArray<Ended>
): Merged => {
  const live = new Map<string, string>()
  const ours = new Set(here.map(({ event }) => event))
  const events = [...here, ...there]
    .toSorted((a, b) => a.sequence - b.sequence)
    .map(({ event }) => {
      if (event._tag === "Spawned" && !event.late) live.set(event.thread, event.scope)
      if (event._tag === "Settled") live.delete(event.thread)
      return ours.has(event) ? withLive(event, live) : event
    })
  const threads = new Map(first)
  for (const ended of below) if (!threads.has(ended.name)) threads.set(ended.name, ended)
  // Of a worker that is gone, what it has told before is known.
  for (const event of events) {
    if (event._tag === "Settled" && !threads.has(event.thread)) {
      threads.set(event.thread, { name: event.thread, scope: "", exit: event.exit, reason: undefined, told: undefined })
    }
  }
  return { events, threads }
}

const withLive = (event: Event, live: ReadonlyMap<string, string>): Event => {
  if (event._tag === "Settled" || event._tag === "Returned") {
    return { ...event, live: [...live.keys()].filter((name) => name.startsWith(`${event.thread}.`)) }
  }
  if (event._tag !== "ScopeClosed") return event
  return { ...event, live: [...live].flatMap(([name, scope]) => (scope === event.scope ? [name] : [])) }
}
