/** A timeline as one SVG picture: a title, a legend, an axis, and a lane for each thread. */
import type { Timeline } from "./model.ts"
import * as Legend from "./pictureLegend.ts"
import * as Lane from "./pictureLane.ts"
import { sizesFor } from "./pictureView.ts"
import { style } from "./pictureStyle.ts"
import * as Scale from "./scale.ts"
import * as Svg from "./svg.ts"
import { branches, byId } from "./tree.ts"
import * as Words from "./words.ts"

const width = 1280
const left = 264
const right = 990
const maxLanes = 1000

export const render = (timeline: Timeline): string => {
  const all = branches(timeline)
  const shown = all.slice(0, maxLanes)
  const until = endOf(timeline)
  const sizes = sizesFor(shown.length)
  const scale = Scale.make(left, right, until)
  const lines = subtitles(timeline, all.length - shown.length)
  const axis = 44 + lines.length * 17 + Legend.height + 24
  const lanes = Lane.place(shown, axis + 8, sizes, scale, until)
  const bottom = (lanes.at(-1)?.top ?? axis) + (lanes.at(-1)?.height ?? 0)
  const height = bottom + 34
  const view = { sizes, scale, until, width, slowest: Words.slowestRelease(timeline) }
  const title = titleOf(timeline, until)
  return Svg.element(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}`, role: "img" },
    Svg.title(title),
    `<style>${style}</style>`,
    Svg.box(0, 0, width, height, "paper"),
    Svg.words(16, 30, "title", title),
    ...lines.map((text, index) => Svg.words(16, 52 + index * 17, "faint", text)),
    Legend.render(16, 44 + lines.length * 17),
    Svg.words(16, axis - 6, "small", "thread"),
    Svg.words(right + 22, axis - 6, "small", "how it ended"),
    ...stripes(lanes),
    ...grid(scale, axis, bottom),
    ...dropMark(timeline, scale, axis, bottom),
    ...lanes.map((lane) => Lane.render(lane, view))
  )
}

/** The last event, or the time of the look if a thread is alive or a lease is held. */
const endOf = ({ events, leases, threads, until }: Timeline): number => {
  const ends = [...threads, ...leases].map(({ endedAt }) => endedAt)
  if (ends.includes(null) || ends.length === 0) return until
  return ends.reduce<number>((most, end) => Math.max(most, end!), events.at(-1)?.at ?? 0)
}

const titleOf = ({ threads }: Timeline, until: number): string =>
  `${Words.count(threads.length, "thread")} in ${Words.duration(until)}`

const subtitles = (timeline: Timeline, hidden: number): ReadonlyArray<string> => {
  const slowest = Words.slowestLine(timeline, byId(timeline))
  const { dropped, events } = timeline
  return [
    ...(slowest === undefined ? [] : [slowest]),
    ...(dropped === 0
      ? []
      : [
          `${Words.count(dropped, "older event")} dropped: before ${Words.duration(events[0]!.at)}, threads and leases may be missing`
        ]),
    ...(hidden === 0 ? [] : [`${Words.count(hidden, "further thread")} not shown`])
  ]
}

/** Every second lane is shaded. */
const stripes = (lanes: ReadonlyArray<Lane.Lane>): ReadonlyArray<string> =>
  lanes.flatMap(({ height, top }, index) => (index % 2 === 0 ? [Svg.box(0, top, width, height, "stripe")] : []))

const grid = ({ ticks }: Scale.Scale, top: number, bottom: number): ReadonlyArray<string> =>
  ticks.flatMap(({ text, x }) => [
    Svg.line("grid", x, top, x, bottom + 4),
    Svg.element("text", { class: "small", x, y: top - 6, "text-anchor": "middle" }, text),
    Svg.element("text", { class: "small", x, y: bottom + 18, "text-anchor": "middle" }, text)
  ])

/** The time before which events were dropped. */
const dropMark = (
  { dropped, events }: Timeline,
  { x }: Scale.Scale,
  top: number,
  bottom: number
): ReadonlyArray<string> => {
  if (dropped === 0) return []
  const at = x(events[0]!.at)
  return [Svg.line("dropped", at, top, at, bottom)]
}
