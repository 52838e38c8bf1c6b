/** The sizes and the scale that all lanes of a picture share. */
import type { RecordedLease } from "./model.ts"
import type { Scale } from "./scale.ts"

/** The sizes of all lanes of a picture, by the number of threads. In pixels. */
export interface Sizes {
  readonly bar: number
  readonly track: number
  readonly tracks: number
  readonly gap: number
  /** The class of the texts, and the width of a column of theirs. */
  readonly text: "" | "small" | "tiny"
  readonly column: number
  readonly indent: number
  /** Whether rungs and leases have their names in the picture. */
  readonly named: boolean
}

export const sizesFor = (threads: number): Sizes => {
  if (threads <= 12) return { bar: 18, track: 15, tracks: 4, gap: 12, text: "", column: 7.3, indent: 14, named: true }
  if (threads <= 120) return { bar: 11, track: 5, tracks: 3, gap: 6, text: "", column: 7.3, indent: 12, named: false }
  return { bar: 7, track: 3, tracks: 2, gap: 4, text: "tiny", column: 5.5, indent: 8, named: false }
}

export interface View {
  readonly sizes: Sizes
  readonly scale: Scale
  readonly until: number
  readonly width: number
  readonly slowest: RecordedLease | undefined
}
