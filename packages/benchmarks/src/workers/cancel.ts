/** The time to cancel a busy task on a worker thread. */
import { fileURLToPath } from "node:url"
import { Lease, Thread } from "@quiesce/core"
import { Effect, Scope } from "effect"
import { type Comparison, type Measure, median } from "../Comparison.ts"
import { Tinypool } from "tinypool"
import workerpool from "workerpool"
import { withBareCancel } from "./bareCancel.ts"
import { inPiscina, inPool, makePool, peerUrl, type Pool } from "./pools.ts"

const workerpoolUrl = new URL("./workerpool.worker.mjs", import.meta.url)

const makeCells = (): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(4))

const whenSet = async (cells: Int32Array<SharedArrayBuffer>): Promise<void> => {
  const waiting = Atomics.waitAsync(cells, 0, 0)
  if (waiting.async) await waiting.value
}

const whenCounted = async (cells: Int32Array<SharedArrayBuffer>, count: number): Promise<void> => {
  for (;;) {
    const seen = Atomics.load(cells, 0)
    if (seen >= count) return
    const waiting = Atomics.waitAsync(cells, 0, seen)
    if (waiting.async) await waiting.value
  }
}

const repeat = async (times: number, f: () => Promise<number>): Promise<number> => {
  const values: Array<number> = []
  for (let i = 0; i < times; i++) values.push(await f())
  return median(values)
}

/** Milliseconds from the cancel of a busy task to its end or, with `next`, to the end of the next task. */
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

/** The same after many cancels, when the engine has compiled the code of host and worker. */
const cancelInWarmPool: Measure = inPool(1, (pool) => {
  const cancels = (times: number) =>
    Effect.promise(() => repeat(times, () => Effect.runPromise(Effect.scoped(cancelled(pool, "Hog", true)))))
  return Effect.andThen(cancels(1000), cancels(100))
})

const cancelBare: Measure = () => withBareCancel((cancel) => repeat(100, cancel))

interface PeerPool {
  readonly run: (payload: unknown, options?: { readonly signal: AbortSignal }) => Promise<unknown>
}

/** The same time for a peer, whose `abort` ends the worker. */
const cancelIn = (pool: PeerPool, times: number): Promise<number> =>
  repeat(times, async () => {
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

const cancelInPiscina: Measure = inPiscina(1, (pool) => cancelIn(pool, 15))

const cancelInTinypool: Measure = async () => {
  const pool = new Tinypool({ filename: peerUrl.href, minThreads: 1, maxThreads: 1, runtime: "worker_threads" })
  await pool.run({ a: 1, b: 1 })
  try {
    return await cancelIn(pool, 15)
  } finally {
    await pool.destroy()
  }
}

const cancelInWorkerpool: Measure = async () => {
  const pool = workerpool.pool(fileURLToPath(workerpoolUrl), { maxWorkers: 1, workerType: "thread" })
  const run: PeerPool["run"] = (payload, options) => {
    const promise = pool.exec("task", [payload])
    // With a returned promise, Node would throw the rejection of a listener.
    options?.signal.addEventListener("abort", () => {
      promise.cancel()
    })
    // Its promises are no Promises.
    return new Promise((resolve, reject) => void promise.then(resolve, reject))
  }
  await run({ a: 1, b: 1 })
  try {
    return await cancelIn({ run }, 2)
  } finally {
    await pool.terminate(true)
  }
}

const workers = 8
const each = 200

/** Milliseconds from the cancel of all threads to the end of the last finalizer. */
const cancelAll = (threads: ReadonlyArray<Thread.Thread<unknown, unknown>>): Effect.Effect<number, unknown> =>
  Effect.suspend(() => {
    const start = performance.now()
    const cancels = Effect.forEach(threads, (thread) => Thread.interrupt(thread), {
      concurrency: "unbounded",
      discard: true
    })
    return Effect.map(cancels, () => performance.now() - start)
  })

const inWorkers = (pool: Pool): Effect.Effect<number, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const cells = makeCells()
    const threads: Array<Thread.Thread<unknown, unknown>> = []
    for (let n = 0; n < workers * each; n++) threads.push(yield* pool.spawn("Wait", { cells }))
    yield* Effect.promise(() => whenCounted(cells, workers * each))
    return yield* cancelAll(threads)
  })

/** In the median of some cancels one after another. */
const often = (cancels: Effect.Effect<number, unknown, Scope.Scope>): Effect.Effect<number> =>
  Effect.promise(() => repeat(5, () => Effect.runPromise(Effect.scoped(cancels))))

/** Both sides are warm: the pool lives as long as the process of the comparison. */
let pool: Promise<Pool> | undefined

const cancelAllInWorkers: Measure = async () => {
  pool ??= Effect.runPromise(Scope.provide(makePool({ size: workers, concurrency: each }), Scope.makeUnsafe()))
  return Effect.runPromise(often(inWorkers(await pool)))
}

/** The first cancels of workers that have just started. */
const cancelAllInNewWorkers: Measure = () =>
  Effect.runPromise(Effect.scoped(Effect.flatMap(makePool({ size: workers, concurrency: each }), inWorkers)))

const onFibers: Effect.Effect<number, unknown, Scope.Scope> = Effect.gen(function* () {
  const held = Lease.acquire({ name: "held", acquire: Effect.void, release: () => Effect.void })
  const threads: Array<Thread.Thread<unknown, unknown>> = []
  for (let n = 0; n < workers * each; n++) {
    threads.push(yield* Thread.spawn(Effect.scoped(Effect.andThen(held, Effect.never)), { startImmediately: true }))
  }
  return yield* cancelAll(threads)
})

const cancelAllOnFibers: Measure = () => Effect.runPromise(often(onFibers))

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
    id: "worker-cancel-busy-against-bare",
    unit: "ms until the next task is done",
    ours: cancelInPool("Hog", true),
    peer: cancelBare,
    direction: "at most",
    target: 3,
    rounds: 5
  },
  {
    id: "worker-cancel-busy-warm-millis",
    unit: "ms against 0.6 ms, after 1,000 cancels",
    ours: cancelInWarmPool,
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
    id: "worker-cancel-busy-against-tinypool",
    unit: "ms until the next task is done",
    ours: cancelInPool("Hog", true),
    peer: cancelInTinypool,
    direction: "at least",
    rounds: 3
  },
  {
    id: "worker-cancel-busy-against-workerpool",
    unit: "ms until the next task is done",
    ours: cancelInPool("Hog", true),
    peer: cancelInWorkerpool,
    direction: "at least",
    rounds: 3
  },
  {
    id: "worker-cancel-8x200",
    unit: "ms until the last of 1600 is released",
    ours: cancelAllInWorkers,
    peer: cancelAllOnFibers,
    direction: "at most",
    target: 3,
    rounds: 5
  },
  {
    id: "worker-cancel-8x200-first",
    unit: "ms until the last of 1600 is released, in workers that have just started",
    ours: cancelAllInNewWorkers,
    peer: cancelAllOnFibers,
    direction: "at most",
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
