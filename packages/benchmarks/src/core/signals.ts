/** Composite signals. */
import { Signal } from "@quiesce/core"
import type { Comparison, Measure } from "../Comparison.ts"

const times = 200_000

const nanosEach = (f: () => void): Measure => {
  return () => {
    const start = performance.now()
    for (let i = 0; i < times; i++) f()
    return Promise.resolve(((performance.now() - start) * 1e6) / times)
  }
}

const a = new AbortController().signal
const b = new AbortController().signal
let seen = 0

export const comparisons: ReadonlyArray<Comparison> = [
  {
    id: "signal-any",
    unit: "ns each, made, read and let go",
    ours: nanosEach(() => {
      using any = Signal.any([a, b])
      if (any.signal.aborted) seen++
    }),
    peer: nanosEach(() => {
      if (AbortSignal.any([a, b]).aborted) seen++
    }),
    direction: "at least",
    target: 5
  }
]

/** Keeps the reads from being optimised away. */
export const sightings = (): number => seen
