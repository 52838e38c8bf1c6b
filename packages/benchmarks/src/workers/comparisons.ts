/** Tasks on worker threads: how fast a busy one is cancelled, and how many small ones go through. */
import { Worker } from "node:worker_threads"
import { Thread } from "@quiesce/core"
import { WorkerPool } from "@quiesce/worker-threads"
import { Effect, type Scope } from "effect"
import { Piscina } from "piscina"
import type { Comparison, Measure } from "../Comparison.ts"
import { Tasks } from "./contract.ts"

const workerUrl = new URL("./tasks.worker.ts", import.meta.url)
const peerUrl = new URL("./peer.worker.mjs", import.meta.url)

const makeCells = (): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(4))

const whenSet = async (cells: Int32Array<SharedArrayBuffer>): Promise<void> => {
  const waiting = Atomics.waitAsync(cells, 0, 0)
  if (waiting.async) await waiting.value
}

const makePool = (concurrency: number) =>
  WorkerPool.make(Tasks, { spawn: (options) => new Worker(workerUrl, options), size: 1, concurrency })

type Pool = Effect.Success<ReturnType<typeof makePool>>

/** A measurement within a pool of one worker. */
const inPool =
  (concurrency: number, f: (pool: Pool) => Effect.Effect<number, unknown, Scope.Scope>): Measure =>
  () =>
    Effect.runPromise(Effect.scoped(Effect.flatMap(makePool(concurrency), f)))

const inPiscina =
  (concurrency: number, f: (pool: Piscina) => Promise<number>): Measure =>
  async () => {
    const pool = new Piscina({
      filename: peerUrl.href,
      minThreads: 1,
      maxThreads: 1,
      concurrentTasksPerWorker: concurrency
    })
    await pool.run({ a: 1, b: 1 })
    try {
      return await f(pool)
    } finally {
      await pool.destroy()
    }
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

/** Microseconds a task, with so many callers at a time. */
const dispatched = async (callers: number, tasks: number, call: () => Promise<unknown>): Promise<number> => {
  let left = tasks
  const start = performance.now()
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (left-- > 0) await call()
    })
  )
  return ((performance.now() - start) * 1000) / tasks
}

const tasksOf = (callers: number): number => (callers === 1 ? 5_000 : 50_000)

/** With the callers as fibers, as an Effect app has them. */
const dispatchInPool = (callers: number): Measure =>
  inPool(callers, (pool) =>
    Effect.suspend(() => {
      let left = tasksOf(callers)
      const start = performance.now()
      const caller = Effect.suspend(() =>
        Effect.whileLoop({
          while: () => left-- > 0,
          body: () => pool.execute("Add", { a: 1, b: 2 }),
          step: () => {}
        })
      )
      return Effect.map(
        Effect.all(
          Array.from({ length: callers }, () => caller),
          { concurrency: "unbounded", discard: true }
        ),
        () => ((performance.now() - start) * 1000) / tasksOf(callers)
      )
    })
  )

const dispatchInPiscina = (callers: number): Measure =>
  inPiscina(callers, (pool) => dispatched(callers, tasksOf(callers), () => pool.run({ a: 1, b: 2 })))

/** Two bare `postMessage` loops, one on each side. */
const dispatchBare =
  (callers: number): Measure =>
  async () => {
    const waiting = new Map<number, (value: number) => void>()
    const worker = new Worker(peerUrl, { workerData: { bare: true } })
    let last = 0
    await new Promise((resolve) => worker.once("message", resolve))
    worker.on("message", ({ id, value }: { readonly id: number; readonly value: number }) => {
      waiting.get(id)?.(value)
      waiting.delete(id)
    })
    const micros = await dispatched(
      callers,
      tasksOf(callers),
      () =>
        new Promise<number>((resolve) => {
          waiting.set(++last, resolve)
          worker.postMessage({ id: last, a: 1, b: 2 })
        })
    )
    await worker.terminate()
    return micros
  }

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
  },
  {
    id: "worker-dispatch-1-against-piscina",
    unit: "us a task",
    ours: dispatchInPool(1),
    peer: dispatchInPiscina(1),
    direction: "at least",
    target: 1,
    rounds: 5
  },
  {
    id: "worker-dispatch-64-against-piscina",
    unit: "us a task",
    ours: dispatchInPool(64),
    peer: dispatchInPiscina(64),
    direction: "at least",
    target: 2,
    rounds: 5
  },
  {
    id: "worker-dispatch-64-against-bare-loops",
    unit: "us a task",
    ours: dispatchInPool(64),
    peer: dispatchBare(64),
    direction: "at least",
    target: 0.6,
    rounds: 5
  }
]
