/** The lane of one thread: its name, its bar with the colours of the rungs, its leases and its end. */
import type { RecordedThread } from "./model.ts"
import type { Sizes, View } from "./pictureView.ts"
import type { Scale } from "./scale.ts"
import * as Svg from "./svg.ts"
import * as Tracks from "./tracks.ts"
import type { Branch } from "./tree.ts"
import * as Words from "./words.ts"

/** A lane with its place in the picture. */
export interface Lane {
  readonly branch: Branch
  readonly tracks: Tracks.Tracks
  readonly top: number
  readonly height: number
}

/** Places the lanes below each other. */
export const place = (
  branches: ReadonlyArray<Branch>,
  top: number,
  sizes: Sizes,
  scale: Scale,
  until: number
): ReadonlyArray<Lane> => {
  let next = top
  return branches.map((branch) => {
    const tracks = Tracks.make(branch.leases, sizes.tracks, scale, until)
    const height = sizes.gap + Math.max(sizes.bar + tracks.rows * sizes.track, sizes.column * 1.6)
    const lane = { branch, tracks, top: next, height }
    next += height
    return lane
  })
}

/** The rows of the tree beyond which the indentation does not grow. */
const maxIndent = 10

export const render = (lane: Lane, view: View): string => {
  const { branch, top } = lane
  const { sizes } = view
  const bar = top + sizes.gap / 2
  return Svg.element(
    "g",
    {},
    Svg.title(tipOf(branch.thread, view.until)),
    name(branch, bar, view),
    ...phases(branch.thread, bar, view),
    ...Tracks.render(lane.tracks, bar + sizes.bar + 2, view),
    end(branch.thread, bar, view)
  )
}

const tipOf = (thread: RecordedThread, until: number): string => {
  const { end, endedAt, id, name, place, spawnedAt, why } = thread
  const state = end === null ? "alive" : Words.endings[end]
  const life = Words.duration((endedAt ?? until) - spawnedAt)
  return `${name} #${id}${place === null ? "" : ` on ${place}`}: ${state} after ${life}${why === null ? "" : `: ${why}`}`
}

const baseline = (bar: number, { bar: height }: Sizes): number => bar + height / 2 + (height > 10 ? 4 : 3)

const name = ({ depth, thread }: Branch, bar: number, { scale, sizes }: View): string => {
  const x = 16 + Math.min(depth, maxIndent) * sizes.indent
  const columns = Math.floor((scale.left - 12 - x) / sizes.column)
  const place = thread.place === null ? "" : ` · ${thread.place}`
  const text = Words.fit(`${thread.name}${place}`, columns)
  const label = Svg.words(x, baseline(bar, sizes), sizes.text, text)
  if (depth === 0) return label
  const middle = bar + sizes.bar / 2
  const elbow = `M${x - sizes.indent + 3} ${bar - sizes.gap / 2}V${middle}H${x - 3}`
  return Svg.element("path", { class: "branch", d: elbow }) + label
}

/** A stretch of a bar. */
interface Phase {
  readonly style: string
  readonly from: number
  readonly to: number
  readonly label: string
}

const phasesOf = (thread: RecordedThread, until: number): ReadonlyArray<Phase> => {
  const { asked, cleaningAt, spawnedAt, startedAt } = thread
  const endedAt = thread.endedAt ?? until
  const start = startedAt ?? endedAt
  const waiting = { style: "waiting", from: spawnedAt, to: Math.min(start, endedAt), label: "" }
  const colours = [{ style: "running", from: start, label: "" }].concat(
    asked.map(({ at, rung }) => ({ style: rung, from: Math.max(at, start), label: rung }))
  )
  const body = colours.flatMap((phase, index) => {
    const to = colours[index + 1]?.from ?? endedAt
    if (cleaningAt === null || cleaningAt >= to) return [{ ...phase, to }]
    const faded = { ...phase, style: phase.style + cleaning, from: Math.max(phase.from, cleaningAt), to }
    return phase.from < cleaningAt ? [{ ...phase, to: cleaningAt }, faded] : [faded]
  })
  return [waiting, ...body].filter(({ from, to }) => to > from)
}

/** The class of a stretch in which the body has ended, behind the class of its colour. */
const cleaning = " cleaning"

const phases = (thread: RecordedThread, bar: number, { scale, sizes, until }: View): ReadonlyArray<string> => {
  const all = phasesOf(thread, until)
  // A rung has its name in the first stretch with room for it.
  let named = ""
  const drawn = all.map(({ from, label, style, to }) => {
    const x = scale.x(from)
    const width = Math.max(scale.x(to) - x, 1.5)
    const fits = sizes.named && label !== named && width > label.length * 6.1 + 8
    if (fits) named = label
    return `${Svg.box(x, bar, width, sizes.bar, style)}${fits ? Svg.words(x + 5, bar + 12.5, style.endsWith(cleaning) ? "on pale" : "on", label) : ""}`
  })
  // A thread that ends at the time of its spawn still has a bar.
  return drawn.length > 0 ? drawn : [Svg.box(scale.x(thread.spawnedAt), bar, 1.5, sizes.bar, "running")]
}

/** The mark behind the bar, and the words at the right edge. */
const end = (thread: RecordedThread, bar: number, { scale, sizes, until, width }: View): string => {
  const x = scale.x(thread.endedAt ?? until)
  const mark = markOf(thread, x, bar + sizes.bar / 2, Math.min(4, sizes.bar / 2 - 0.5))
  const columns = Math.floor((width - scale.right - 34) / sizes.column)
  const state = thread.end === null ? "still alive" : Words.endings[thread.end]
  const why = thread.why === null ? "" : `: ${thread.why.replace(/^Error: /, "")}`
  const style = sizes.text === "" ? "faint" : `${sizes.text} faint`
  return mark + Svg.words(scale.right + 22, baseline(bar, sizes), style, Words.fit(`${state}${why}`, columns))
}

const shape = (style: string, d: string): string => Svg.element("path", { class: `mark ${style}`, d })

const at = (x: number, y: number): string => `${x.toFixed(1)} ${y.toFixed(1)}`

export const markOf = ({ end }: Pick<RecordedThread, "end">, x: number, y: number, r: number): string => {
  const left = x + 4
  const right = left + 2 * r
  switch (end) {
    case "Succeeded":
      return shape("ok", `M${at(left, y)}L${at(left + r * 0.8, y + r * 0.8)}L${at(right, y - r)}`)
    case null:
      return shape("cut", `M${at(left, y - r)}L${at(left + r, y)}L${at(left, y + r)}`)
    case "Interrupted":
    case "NeverStarted":
      return shape("cut", `M${at(left + 1, y - r)}L${at(left + 1, y + r)}`)
    case "Failed":
    case "Crashed":
    case "Killed":
    case "Abandoned":
      return shape("no", `M${at(left, y - r)}L${at(right, y + r)}M${at(left, y + r)}L${at(right, y - r)}`)
  }
}
