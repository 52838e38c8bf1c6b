/** The colours of a dump, where the stream shows colours. Node honours NO_COLOR, NODE_DISABLE_COLORS and FORCE_COLOR. */
import { styleText } from "node:util"
import type { Part, RenderOptions } from "@quiesce/core/ThreadDump"

const styles = {
  name: "bold",
  fine: "green",
  ending: "yellow",
  lost: "red",
  releasing: "magenta",
  detail: "dim"
} as const satisfies Readonly<Record<Part, string>>

export const on = (stream: NodeJS.WritableStream): RenderOptions => ({
  paint: (part, text) => styleText(styles[part], text, { stream })
})
