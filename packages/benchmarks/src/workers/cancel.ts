/** How fast a busy task on a worker thread is cancelled. */
import { Thread } from "@quiesce/core"
import { Effect, type Scope } from "effect"
import type { Comparison, Measure } from "../Comparison.ts"
import { inPiscina, inPool, type Pool } from "./pools.ts"

const makeCells = (): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(4))

const whenSet = async (cells: Int32Array<SharedArrayBuffer>): Promise<void> => {
  const waiting = Atomics.waitAsync(cells, 0, 0)
  if (waiting.async) await waiting.value
}

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

const repeat = async (times: number, f: () => Promise<number>): Promise<number> => {
  const values: Array<number> = []
  for (let i = 0; i < times; i++) values.push(await f())
  return median(values)
}

/** Milliseconds from the cancel of a task that is busy until it has ended and, with `next`, the next one is done. */
const cancelled = (pool: Pool, task: "Hog" | "Poll", next: boolean): Effect.Effect<number, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const cells = makeCells()
    const thread = yield* pool.spawn(task, { cells })
    yield* Effect.promise(() => whenSet(cells))
    const start = performance.now()
    yield* Thread.interrupt(thread)
    if (next) yield* pool.execute("Add", { a: 1, b: 1 })
    return performance.now() - start
  })

const cancelInPool = (task: "Hog" | "Poll", next: boolean): Measure =>
  inPool(1, (pool) =>
    Effect.promise(() => repeat(100, () => Effect.runPromise(Effect.scoped(cancelled(pool, task, next)))))
  )

const cancelInPiscina: Measure = inPiscina(1, (pool) =>
  repeat(15, async () => {
    const cells = makeCells()
    const controller = new AbortController()
    const ended = pool.run({ cells }, { signal: controller.signal }).catch(() => {})
    await whenSet(cells)
    const start = performance.now()
    controller.abort()
    await ended
    await pool.run({ a: 1, b: 1 })
    return performance.now() - start
  })
)

export const comparisons: ReadonlyArray<Comparison> = [
  {
    id: "worker-cancel-busy-millis",
    unit: "ms against 0.6 ms",
    ours: cancelInPool("Hog", true),
    peer: () => Promise.resolve(0.6),
    direction: "at most",
    target: 1,
    rounds: 3
  },
  {
    id: "worker-cancel-busy-against-piscina",
    unit: "ms until the next task is done",
    ours: cancelInPool("Hog", true),
    peer: cancelInPiscina,
    direction: "at least",
    target: 15,
    rounds: 3
  },
  {
    id: "worker-cancel-polling-millis",
    unit: "ms against 0.3 ms",
    ours: cancelInPool("Poll", false),
    peer: () => Promise.resolve(0.3),
    direction: "at most",
    target: 1,
    rounds: 3
  }
]
