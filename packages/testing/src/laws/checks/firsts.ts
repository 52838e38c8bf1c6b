/** The first events of a trace by a field, so that a check of a long trace does not search for each of its events. */
import { type Event, only } from "../Trace.ts"

type Of<Tag extends Event["_tag"]> = Extract<Event, { readonly _tag: Tag }>

/** The first event of a kind for each value of a field. */
export const firstBy = <Tag extends Event["_tag"], Field extends keyof Of<Tag>>(
  events: ReadonlyArray<Event>,
  tag: Tag,
  field: Field
): ReadonlyMap<Of<Tag>[Field], Of<Tag>> => {
  const firsts = new Map<Of<Tag>[Field], Of<Tag>>()
  for (const event of only(events, tag)) if (!firsts.has(event[field])) firsts.set(event[field], event)
  return firsts
}

/** The place in the trace of the first event of a kind for each thread. */
export const placesOf = (events: ReadonlyArray<Event>, tag: Event["_tag"]): ReadonlyMap<string, number> => {
  const places = new Map<string, number>()
  for (let place = 0; place < events.length; place++) {
    const event = events[place]!
    if (event._tag === tag && !places.has(event.thread)) places.set(event.thread, place)
  }
  return places
}
