/** The handles of Node that keep a process alive after its program has ended. */
import type { LiveWorkers } from "./liveWorkers.ts"
import * as Places from "./places.ts"

/** Timers of Node take no longer times, in milliseconds. */
const longest = 2 ** 31 - 1

/** Calls `found` once with the handles, if the process is still alive after a time. The watch itself keeps nothing alive. */
export const watch = (millis: number, workers: LiveWorkers, found: (text: string) => void): void => {
  if (millis > longest) return void workers.end()
  setTimeout(() => {
    const handles = active()
    const threads = workers.end()
    // A worker may keep nothing alive, so workers are named where nothing else does.
    const all = handles.length > 0 ? handles : Array.from({ length: threads }, () => "Worker")
    if (all.length > 0) found(text(all, millis))
  }, millis).unref()
}

const text = (handles: ReadonlyArray<string>, millis: number): string => {
  const made = Places.live()
  const places = made === undefined ? [`QUIESCE_PLACES=1 in the environment shows where each was made.`] : made
  return [
    `has ended, but the process is still alive after ${(millis / 1000).toFixed(1)} s, because of ${counts(handles)}.`,
    ...places
  ].join("\n  ")
}

const counts = (handles: ReadonlyArray<string>): string => {
  const kinds = new Map<string, number>()
  for (const handle of handles) kinds.set(handle, (kinds.get(handle) ?? 0) + 1)
  return Array.from(kinds, ([kind, count]) => (count === 1 ? kind : `${count} ${kind}`)).join(", ")
}

/** Node lists the pipes and terminals of the standard outputs too, which keep nothing alive. */
const active = (): ReadonlyArray<string> => {
  const handles = process.getActiveResourcesInfo()
  for (const stream of [process.stdout, process.stderr]) {
    // A part of Node without a type: the handle below a stream. Without it the list just has an entry more.
    const kind = (stream as { readonly _handle?: object })._handle?.constructor.name
    const place = handles.indexOf(`${kind}Wrap`)
    if (place >= 0) handles.splice(place, 1)
  }
  return handles
}
