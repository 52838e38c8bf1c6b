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

/** Reads the signal, so that making it is not optimised away. */
const read = (signal: AbortSignal): void => {
  if (signal.aborted) throw new Error("nobody has aborted it")
}

export const comparisons: ReadonlyArray<Comparison> = [
  {
    id: "signal-any",
    unit: "ns each, made, read and let go",
    ours: nanosEach(() => {
      const any = Signal.any([a, b])
      read(any.signal)
      any[Symbol.dispose]()
    }),
    peer: nanosEach(() => {
      read(AbortSignal.any([a, b]))
    }),
    direction: "at least",
    target: 5
  }
]
