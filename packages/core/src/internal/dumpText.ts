/** The text of a dump: one line for each thread, lease, place and frame of a stack. */
import type { DumpedLease, DumpedThread, Part, ThreadDump } from "./dumpModel.ts"
import { printable } from "./printable.ts"

type Paint = (part: Part, text: string) => string

export const render = (dump: ThreadDump, paint: Paint): string => lines(dump, "", paint).join("\n")

/** Dumps are nested only by the places of a dump, a few levels deep. */
const lines = (dump: ThreadDump, indent: string, paint: Paint): ReadonlyArray<string> => [
  ...dump.leases.map((lease) => renderLease(lease, indent, paint)),
  ...renderThreads(dump, indent, paint),
  ...(dump.elsewhere ?? []).flatMap((place) => [
    `${indent}${paint("name", printable(place.name))}${place.note === undefined ? "" : `: ${printable(place.note)}`}`,
    ...renderStack(place.stack, `${indent}  `, paint),
    ...(place.dump === undefined ? [] : lines(place.dump, `${indent}  `, paint))
  ])
]

const renderThreads = (dump: ThreadDump, first: string, paint: Paint): ReadonlyArray<string> => {
  const found: Array<string> = []
  const left = dump.threads.map((thread) => ({ thread, indent: first })).toReversed()
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { indent, thread } = next
    found.push(`${indent}${renderThread(thread, dump.at, paint)}`)
    for (const lease of thread.leases) found.push(renderLease(lease, `${indent}  `, paint))
    found.push(...renderStack(thread.stack, `${indent}  `, paint))
    for (const child of thread.children.toReversed()) left.push({ thread: child, indent: `${indent}  ` })
  }
  return found
}

const partOf: Readonly<Record<DumpedThread["status"], Part>> = {
  queued: "detail",
  running: "fine",
  stopping: "ending",
  cancelled: "ending",
  abandoned: "lost",
  done: "detail"
}

const renderThread = (thread: DumpedThread, at: number, paint: Paint): string => {
  const { name, reason, runsOn, rung, status } = thread
  const why = reason === null ? "" : ` (${rung ?? "ended"}: ${printable(reason.message)})`
  const where = runsOn === undefined ? "" : ` on ${printable(runsOn)}`
  const age = paint("detail", `, ${thread.ageMillis} ms`)
  return `${paint("name", printable(name))} #${thread.id} ${paint(partOf[status], status)}${where}${why}${asker(reason, at)}${age}`
}

const asker = (reason: DumpedThread["reason"], at: number): string => {
  const by = reason?.by === undefined ? "" : ` by ${printable(reason.by)}`
  const ago = reason?.at === undefined ? "" : ` ${Math.max(0, at - reason.at)} ms ago`
  return by === "" && ago === "" ? "" : `, asked${by}${ago}`
}

const renderLease = (lease: DumpedLease, indent: string, paint: Paint): string => {
  const held = paint("detail", `, held for ${lease.ageMillis} ms`)
  const releasing =
    lease.releasingMillis === null ? "" : `, ${paint("releasing", `releasing for ${lease.releasingMillis} ms`)}`
  const place = lease.place === undefined ? "" : paint("detail", `, acquired ${printable(lease.place)}`)
  return `${indent}- ${printable(lease.name)}${held}${releasing}${place}`
}

const renderStack = (stack: string | undefined, indent: string, paint: Paint): ReadonlyArray<string> =>
  stack === undefined ? [] : stack.split("\n").map((line) => `${indent}  ${paint("detail", printable(line.trim()))}`)
