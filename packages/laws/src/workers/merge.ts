/** One trace of what happened on both sides, in order. */
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

/**
 * Of the first thread the host knows the end, of those below it the worker, who also says which of them were `orphans`:
 * alive when the first had ended.
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
    return { sequence, event: hasEnded && "live" in event ? { ...event, live: orphans } : event }
  })
  const events = [...adopted, ...there].toSorted((a, b) => a.sequence - b.sequence).map(({ event }) => event)
  const threads = new Map(first)
  for (const ended of below) if (!threads.has(ended.name)) threads.set(ended.name, ended)
  // Of a worker that is gone, what it has told before is known.
  for (const event of events) {
    if (event._tag === "Settled" && !threads.has(event.thread)) {
      const { exit, reason, thread: name } = event
      threads.set(name, { name, scope: "", exit, reason, told: undefined })
    }
  }
  return { events, threads }
}
