/** Composite signals, and many runs on one signal. */
import { Abort } from "@quiesce/core"
import { Effect } from "effect"
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

/** Reads the signal, so that the engine does not optimise its making away. */
const read = (signal: AbortSignal): void => {
  if (signal.aborted) throw new Error("nobody has aborted it")
}

type Run = (signal: AbortSignal) => Promise<unknown>

const ours: Run = (signal) => Abort.run(Effect.never, { signal })

/** The same run with a listener of its own, which is removed when the run has ended. */
const bare: Run = (signal) =>
  new Promise((resolve) => {
    const fiber = Effect.runFork(Effect.never)
    const listener = () => fiber.interruptUnsafe()
    signal.addEventListener("abort", listener)
    fiber.addObserver((exit) => {
      signal.removeEventListener("abort", listener)
      resolve(exit)
    })
  })

/** Starts `count` runs on one signal, cancels all, and awaits their ends; nanoseconds a run. Repeats to the same total. */
const runsOnOneSignal = (run: Run, count: number, total = count): Measure => {
  return async () => {
    const start = performance.now()
    for (let done = 0; done < total; done += count) {
      const controller = new AbortController()
      const running = Array.from({ length: count }, () => run(controller.signal))
      controller.abort("the end")
      await Promise.allSettled(running)
    }
    return ((performance.now() - start) * 1e6) / total
  }
}

export const comparisons: ReadonlyArray<Comparison> = [
  {
    id: "signal-any",
    unit: "ns each, made, read and let go",
    ours: nanosEach(() => {
      const any = Abort.any([a, b])
      read(any.signal)
      any[Symbol.dispose]()
    }),
    peer: nanosEach(() => {
      read(AbortSignal.any([a, b]))
    }),
    direction: "at least",
    target: 5
  },
  {
    id: "signal-100000-runs",
    unit: "ns each, started and cancelled, 100,000 on one signal",
    ours: runsOnOneSignal(ours, 100_000),
    peer: runsOnOneSignal(bare, 100_000),
    direction: "at least",
    target: 20,
    // The peer takes a minute.
    rounds: 1
  },
  {
    id: "signal-runs-linear",
    unit: "ns each, started and cancelled, 100,000 on one signal against 1,000",
    ours: runsOnOneSignal(ours, 100_000),
    peer: runsOnOneSignal(ours, 1000, 100_000),
    direction: "at most",
    target: 3,
    rounds: 3
  }
]
