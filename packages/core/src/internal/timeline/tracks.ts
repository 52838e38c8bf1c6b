/**
 * The leases of a lane, in rows that don't overlap: a line while a lease is held, which becomes a bar while its release runs.
 * Leases beyond the last row share the last row.
 */
import type { RecordedLease } from "./model.ts"
import type { View } from "./pictureView.ts"
import type { Scale } from "./scale.ts"
import * as Svg from "./svg.ts"
import * as Words from "./words.ts"

interface Placed {
  readonly lease: RecordedLease
  readonly row: number
  readonly from: number
  readonly to: number
}

export interface Tracks {
  readonly rows: number
  readonly placed: ReadonlyArray<Placed>
}

/** Leases of less than this width that begin where another has ended are one. In pixels. */
const least = 1

export const make = (leases: ReadonlyArray<RecordedLease>, rows: number, scale: Scale, until: number): Tracks => {
  const ends: Array<number> = []
  const placed: Array<Placed> = []
  for (const lease of leases.toSorted((a, b) => a.acquiredAt - b.acquiredAt)) {
    const from = scale.x(lease.acquiredAt)
    const to = Math.max(scale.x(lease.endedAt ?? until), from + least)
    const free = ends.findIndex((end) => end <= from + 0.01)
    const row = free >= 0 ? free : Math.min(ends.length, rows - 1)
    const isShort = to - from <= least && lease.result === "released"
    if (isShort && ends[row] !== undefined && from < ends[row] + 0.5) continue
    ends[row] = Math.max(ends[row] ?? 0, to)
    placed.push({ lease, row, from, to })
  }
  return { rows: ends.length, placed }
}

export const render = ({ placed }: Tracks, top: number, view: View): ReadonlyArray<string> => {
  const { scale, sizes, slowest, until } = view
  const labelled: Array<number> = []
  return placed.map(({ from, lease, row, to }) => {
    const y = top + row * sizes.track + 1
    const held = lease.releasingAt === null ? to : scale.x(lease.releasingAt)
    const parts = [Svg.title(tipOf(lease, until))]
    const thin = sizes.text === "tiny" ? " thin" : ""
    if (held > from)
      parts.push(Svg.line(`${lease.result === "lost" ? "lost" : "held"}${thin}`, from, y + 1, held, y + 1))
    if (lease.releasingAt !== null) parts.push(release(lease, held, Math.max(to, held + 1.5), y, view))
    if (sizes.named && lease !== slowest && from >= (labelled[row] ?? 0)) {
      const label = Words.fit(lease.name, 40)
      labelled[row] = from + Words.columnsOf(label) * 6 + 10
      parts.push(Svg.words(from, y + 11.5, "small", label))
    }
    return Svg.element("g", {}, ...parts)
  })
}

const tipOf = (lease: RecordedLease, until: number): string => {
  const state = lease.result === null ? "held" : Words.results[lease.result]
  const time = Words.duration((lease.endedAt ?? until) - lease.acquiredAt)
  return `${lease.name}: ${state} after ${time}${lease.error === null ? "" : `: ${lease.error}`}`
}

const release = (lease: RecordedLease, from: number, to: number, y: number, view: View): string => {
  const { sizes, slowest } = view
  const height = sizes.named ? 5 : sizes.track - 0.5
  const isBad = lease.result !== null && lease.result !== "released"
  const bar = Svg.box(from, y - 1, to - from, height, isBad ? "bad" : "lease")
  return lease === slowest ? `${bar}${callout(lease, from, to, y, height, view)}` : bar
}

/** Names the slowest release beside its bar. */
const callout = (
  lease: RecordedLease,
  from: number,
  to: number,
  y: number,
  height: number,
  { scale, sizes, until }: View
): string => {
  const took = Words.duration((lease.endedAt ?? until) - lease.releasingAt!)
  const text = `slowest finalizer: ${Words.fit(lease.name, 24)}, ${took}`
  const width = text.length * 6.1
  const ring = Svg.element("rect", {
    class: "ring",
    x: from - 2,
    y: y - 3,
    width: to - from + 4,
    height: height + 4,
    rx: 2
  })
  if (sizes.named)
    return ring + Svg.words(Math.max(scale.left, Math.min(from, scale.right - width)), y + 13.5, "callout", text)
  const x = to + width + 8 < scale.right ? to + 8 : Math.max(scale.left, from - width - 8)
  return ring + Svg.words(x, y + height / 2 + 3, "callout", text)
}
