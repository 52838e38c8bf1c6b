/**
 * A pool whose workers have one of the faults of the test kit. The pool fails with a typed error, or waits and can be
 * interrupted.
 */
import { FaultyWorker, Leaks } from "@quiesce/testing"
import { WorkerError, WorkerPool } from "@quiesce/worker-threads"
import { Effect, Exit, Fiber } from "effect"
import { Worker } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import { Cell } from "./fixtures/cells.ts"
import { makeCells, Tasks } from "./fixtures/contract.ts"
import { whenSet } from "./support.ts"

/** Makes a pool of faulty workers in a scope of its own. */
const tryPool = (fault: FaultyWorker.Fault, onSpawn: (worker: Worker) => void = () => {}) =>
  WorkerPool.make(Tasks, {
    spawn: (options) => {
      const worker = FaultyWorker.makeUnsafe(fault, options)
      onSpawn(worker)
      return worker
    },
    size: 1
  }).pipe(Effect.scoped)

const withoutLeaks = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(Leaks.none(effect, { within: "30 seconds" }))

it.each([
  ["throws", "This worker throws while it loads"],
  ["crash", "This worker crashes"],
  ["rejection", "This worker leaves a rejection unhandled"],
  ["exit", "code 3"],
  ["out-of-memory", "memory"],
  ["garbage", "a message outside the protocol"]
] as const)(
  "a pool of workers with the fault %s fails with SpawnFailed, which names the fault",
  async (fault, problem) => {
    const error = await withoutLeaks(Effect.flip(tryPool(fault)))

    expect(error).toBeInstanceOf(WorkerError.WorkerError)
    expect(error.reason._tag).toBe("SpawnFailed")
    expect(error.message).toContain(problem)
  }
)

it.each(["never-ready", "hog", "deaf"] as const)(
  "a pool of workers with the fault %s ends its workers if it is interrupted while it waits for them",
  async (fault) => {
    const workers: Array<Worker> = []
    // The first pool of a process makes its worker later, after a probe of the platform.
    const online = Promise.withResolvers<void>()
    const exit = await withoutLeaks(
      Effect.gen(function* () {
        const pool = yield* Effect.forkChild(
          tryPool(fault, (worker) => {
            workers.push(worker)
            worker.once("online", () => online.resolve())
          }),
          { startImmediately: true }
        )
        yield* Effect.promise(() => online.promise)
        yield* Fiber.interrupt(pool)
        return yield* Fiber.await(pool)
      })
    )

    expect(Exit.hasInterrupts(exit)).toBe(true)
    expect(workers.map((worker) => worker.threadId)).toEqual([-1])
  }
)

describe("a pool that is interrupted while its worker is not ready", () => {
  const slowLayer = new URL("./fixtures/slow-layer.worker.ts", import.meta.url)

  it("runs the finalizers of the handlers' layer in the worker", async () => {
    const cells = makeCells()
    const making = WorkerPool.make(Tasks, {
      spawn: (options) => new Worker(slowLayer, { ...options, workerData: { ...options.workerData, cells } }),
      size: 1
    }).pipe(Effect.scoped)
    await withoutLeaks(
      Effect.gen(function* () {
        const pool = yield* Effect.forkChild(making, { startImmediately: true })
        yield* whenSet(cells, Cell.begun)
        yield* Fiber.interrupt(pool)
      })
    )
    expect(Atomics.load(cells, Cell.cleanedUp)).toBe(1)
  })

  it.each(["never-ready", "hog", "deaf"] as const)("ends within 200 ms: %s", async (fault) => {
    const times: Array<number> = []
    for (let trial = 0; trial < 5; trial++) {
      const online = Promise.withResolvers<void>()
      const pool = Effect.runFork(tryPool(fault, (worker) => worker.once("online", () => online.resolve())))
      await online.promise
      const before = performance.now()
      await Effect.runPromise(Fiber.interrupt(pool))
      times.push(performance.now() - before)
    }
    // The fastest of five attempts counts, because the machine may be busy. A worker with tasks may take 2,000 ms.
    expect(Math.min(...times)).toBeLessThan(200)
  })
})
