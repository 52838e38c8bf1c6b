/** Many threads under one group: the time of a shutdown, the growth of that time, and the memory of each thread. */
import { type Thread, ThreadGroup } from "@quiesce/core"
import { Effect, Fiber } from "effect"
import { collect, type Comparison, type Measure } from "../Comparison.ts"

const escalation = { interrupt: "Infinity" } as const

/** Milliseconds to shut down `count` suspended threads of one group. */
const shutDown =
  (count: number): Measure =>
  () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const group = yield* ThreadGroup.make()
          for (let i = 0; i < count; i++) yield* ThreadGroup.spawn(group, Effect.never)
          yield* Effect.sleep(1)
          yield* Effect.promise(collect)
          const start = performance.now()
          const reports = yield* ThreadGroup.shutdown(group, { escalation })
          const millis = performance.now() - start
          if (reports.length !== count || group.size !== 0) return yield* Effect.die("not all of the group has ended")
          return millis
        })
      )
    )

const interruptAll =
  (count: number): Measure =>
  () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const fibers: Array<Fiber.Fiber<never>> = []
        for (let i = 0; i < count; i++) fibers.push(yield* Effect.forkChild(Effect.never))
        yield* Effect.sleep(1)
        yield* Effect.promise(collect)
        const start = performance.now()
        yield* Fiber.interruptAll(fibers)
        return performance.now() - start
      })
    )

/** Bytes of heap for each of 20,000 suspended threads of one group. */
const bytesEach: Measure = () =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const count = 20_000
        const group = yield* ThreadGroup.make()
        const handles: Array<Thread.Thread<unknown, unknown>> = []
        yield* Effect.promise(collect)
        const before = process.memoryUsage().heapUsed
        for (let i = 0; i < count; i++) handles.push(yield* ThreadGroup.spawn(group, Effect.never))
        yield* Effect.sleep(1)
        yield* Effect.promise(collect)
        const bytes = (process.memoryUsage().heapUsed - before) / count
        return handles.length === count ? bytes : NaN
      })
    )
  )

export const comparisons: ReadonlyArray<Comparison> = [
  {
    id: "group-shutdown-100000",
    unit: "ms",
    ours: shutDown(100_000),
    peer: interruptAll(100_000),
    direction: "at most",
    target: 3,
    rounds: 5
  },
  {
    id: "group-shutdown-300000-over-10000-linear",
    unit: "ms for 30 times the threads",
    ours: shutDown(300_000),
    peer: async () => 30 * (await shutDown(10_000)()),
    direction: "at most",
    target: 1.5,
    rounds: 3
  },
  {
    id: "suspended-thread-bytes",
    unit: "bytes against 1 KB",
    ours: bytesEach,
    peer: () => Promise.resolve(1024),
    direction: "at most",
    target: 1.5,
    rounds: 3
  }
]
