/** The legend of a picture. */
import { markOf } from "./pictureLane.ts"
import * as Svg from "./svg.ts"

interface Entry {
  /** Draws the sample at a place of 22 by 12 pixels. */
  readonly sample: (x: number, y: number) => string
  readonly text: string
}

const bar =
  (style: string) =>
  (x: number, y: number): string =>
    Svg.box(x, y, 22, 12, style)

const mark =
  (end: Parameters<typeof markOf>[0]["end"]) =>
  (x: number, y: number): string =>
    markOf({ end }, x + 3, y + 6, 4)

const rows: ReadonlyArray<{ readonly heading: string; readonly entries: ReadonlyArray<Entry> }> = [
  {
    heading: "thread",
    entries: [
      { sample: bar("waiting"), text: "waits to start" },
      { sample: bar("running"), text: "runs" },
      { sample: bar("stop"), text: "stop: asked to end" },
      { sample: bar("interrupt"), text: "interrupt: cancelled" },
      { sample: bar("unwind"), text: "unwind: code ended by force" },
      { sample: bar("kill"), text: "kill: its worker was ended" },
      { sample: bar("running cleaning"), text: "faded: body has ended, cleanup runs" }
    ]
  },
  {
    heading: "lease",
    entries: [
      { sample: (x, y) => Svg.line("held", x, y + 6, x + 22, y + 6), text: "resource is held" },
      { sample: (x, y) => Svg.box(x, y + 3, 22, 6, "lease"), text: "its finalizer runs" },
      { sample: (x, y) => Svg.box(x, y + 3, 22, 6, "bad"), text: "finalizer failed or was given up" },
      { sample: (x, y) => Svg.line("lost", x, y + 6, x + 22, y + 6), text: "lost without a finalizer" }
    ]
  },
  {
    heading: "end",
    entries: [
      { sample: mark("Succeeded"), text: "succeeded" },
      { sample: mark("Interrupted"), text: "ended by a request" },
      { sample: mark("Failed"), text: "failed, killed or abandoned" },
      { sample: mark(null), text: "still alive" }
    ]
  }
]

const rowHeight = 20

export const height: number = rows.length * rowHeight

export const render = (left: number, top: number): string =>
  Svg.element(
    "g",
    {},
    ...rows.flatMap(({ entries, heading }, index) => {
      let x = left + 48
      const y = top + index * rowHeight
      const drawn = entries.map(({ sample, text }) => {
        const entry = sample(x, y) + Svg.words(x + 28, y + 10, "small", text)
        x += 28 + text.length * 6.1 + 14
        return entry
      })
      return [Svg.words(left, y + 10, "small", heading), ...drawn]
    })
  )
