/** Merges the events of both sides into one trace, in order. */
import type { Ended } from "@quiesce/testing/laws/Outcome"
import type { Event } from "@quiesce/testing/laws/Trace"

export interface Numbered {
  readonly sequence: number
  readonly event: Event
}

export interface Merged {
  readonly events: ReadonlyArray<Event>
  readonly threads: ReadonlyMap<string, Ended>
}

/** The events up to a number. */
export const upTo = <A extends Pick<Numbered, "sequence">>(events: ReadonlyArray<A>, until: number): ReadonlyArray<A> =>
  events.filter(({ sequence }) => sequence <= until)

/**
 * The host has the end of the first thread. The worker has the ends of its descendants, and reports the `orphans`: the
 * threads that were alive at the end of the first thread.
 */
export const merge = (
  here: ReadonlyArray<Numbered>,
  there: ReadonlyArray<Numbered>,
  first: ReadonlyMap<string, Ended>,
  below: ReadonlyArray<Ended>,
  orphans: ReadonlyArray<string>
): Merged => {
  let hasEnded = false
  const adopted = here.map(({ event, sequence }) => {
    if (event._tag === "Settled") hasEnded = true
    const adopted = hasEnded && "live" in event ? { ...event, live: orphans } : event
    return { sequence, event: adopted._tag === "Settled" ? { ...adopted, elsewhere: true } : adopted }
  })
  const events = [...adopted, ...there].toSorted((a, b) => a.sequence - b.sequence).map(({ event }) => event)
  const threads = new Map(first)
  const settled = new Set(events.flatMap((event) => (event._tag === "Settled" ? [event.thread] : [])))
  for (const ended of below) {
    // The trace may have ended before the thread has.
    if (!threads.has(ended.name))
      threads.set(ended.name, settled.has(ended.name) ? ended : { ...ended, exit: undefined })
  }
  // The earlier messages of a gone worker count.
  for (const event of events) {
    if (event._tag === "Settled" && !threads.has(event.thread)) {
      const { exit, reason, thread: name } = event
      threads.set(name, { name, scope: "", exit, reason, signalReason: undefined })
    }
  }
  return { events, threads }
}
