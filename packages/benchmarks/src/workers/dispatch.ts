/** The throughput of small tasks through a worker thread. */
import { Worker } from "node:worker_threads"
import { Effect } from "effect"
import type { Comparison, Measure } from "../Comparison.ts"
import * as Load from "../load.ts"
import { inPiscina, inPool, peerUrl } from "./pools.ts"
import { dispatchInRpc } from "./rpc.ts"

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

const tasksOf = (callers: number): number => (callers === 1 ? 10_000 : 50_000)

/** The tasks before each measurement: each worker is new, and the throughput of a warm worker is measured. */
const warmUpOf = (callers: number): number => (callers === 1 ? 30_000 : 200_000)

/** With the callers as fibers, as in an Effect app. */
const dispatchInPool = (callers: number, cores?: Load.Cores): Measure =>
  inPool(callers, (pool) => {
    Load.place(cores)
    const run = (tasks: number) =>
      Effect.suspend(() => {
        let left = tasks
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
          () => ((performance.now() - start) * 1000) / tasks
        )
      })
    return Effect.andThen(run(warmUpOf(callers)), run(tasksOf(callers)))
  })

const dispatchInPiscina = (callers: number, cores?: Load.Cores): Measure =>
  inPiscina(callers, async (pool) => {
    Load.place(cores)
    const call = () => pool.run({ a: 1, b: 2 })
    await dispatched(callers, warmUpOf(callers), call)
    return dispatched(callers, tasksOf(callers), call)
  })

const busy =
  (dispatch: (callers: number, cores: Load.Cores) => Measure, callers: number): Measure =>
  () =>
    Load.onEachPlace((cores) => dispatch(callers, cores)())

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
    const call = () =>
      new Promise<number>((resolve) => {
        waiting.set(++last, resolve)
        worker.postMessage({ id: last, a: 1, b: 2 })
      })
    await dispatched(callers, warmUpOf(callers), call)
    const micros = await dispatched(callers, tasksOf(callers), call)
    await worker.terminate()
    return micros
  }

export const comparisons: ReadonlyArray<Comparison> = [
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
    id: "worker-dispatch-1-against-piscina-busy",
    unit: "us a task",
    ours: busy(dispatchInPool, 1),
    peer: busy(dispatchInPiscina, 1),
    direction: "at least",
    target: 1,
    rounds: 3
  },
  {
    id: "worker-dispatch-64-against-piscina-busy",
    unit: "us a task",
    ours: busy(dispatchInPool, 64),
    peer: busy(dispatchInPiscina, 64),
    direction: "at least",
    target: 2,
    rounds: 3
  },
  {
    id: "worker-dispatch-64-against-effect-rpc",
    unit: "us a task",
    ours: dispatchInPool(64),
    peer: dispatchInRpc(64, warmUpOf(64), tasksOf(64)),
    direction: "at least",
    target: 10,
    rounds: 3
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
