/** Pools of both kinds change the number of their workers. */
import { Task, WorkerError } from "@quiesce/worker-threads"
import { Cause, Effect, Exit, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { Cell } from "./fixtures/cells.ts"
import { makeCells } from "./fixtures/contract.ts"
import { makePool, whenSet } from "./support.ts"

type Plain = typeof import("./fixtures/plain-pool.ts")
const url = new URL("./fixtures/plain-pool.ts", import.meta.url)

const begun = (cells: Int32Array<SharedArrayBuffer>): Promise<unknown> => Effect.runPromise(whenSet(cells, Cell.begun))

const goOn = (cells: Int32Array<SharedArrayBuffer>): void => {
  Atomics.store(cells, Cell.cleanedUp, 1)
  Atomics.notify(cells, Cell.cleanedUp)
}

const bad: ReadonlyArray<unknown> = [
  { min: NaN, max: 1 },
  { min: 1, max: NaN },
  { min: 2, max: 1 },
  { min: -1, max: 1 },
  { min: 0, max: 0 },
  { min: 0.5, max: 1 },
  { min: 0, max: Infinity },
  { max: 1 },
  {},
  4,
  null,
  undefined
]

const reasonOf = (error: unknown): string | undefined =>
  WorkerError.isWorkerError(error) ? error.reason._tag : undefined

const isClosed = (error: unknown): boolean => reasonOf(error) === "PoolClosed"

describe("createTaskPool: resize", () => {
  it("runs more calls at a time, and later fewer, while running calls finish", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1 })
    const [first, second] = [makeCells(), makeCells()]
    const calls = [pool.run({ how: "wait", cells: first }), pool.run({ how: "wait", cells: second })]
    await begun(first)
    expect(pool.status).toMatchObject({ workers: 1, running: 1, queued: 1 })
    await pool.resize({ min: 1, max: 2 })
    await begun(second)
    expect(pool.status).toMatchObject({ workers: 2, running: 2, queued: 0, min: 1, max: 2 })
    await pool.resize({ min: 0, max: 1 })
    expect(pool.status).toMatchObject({ workers: 1, retiring: 1, running: 2, min: 0, max: 1 })
    goOn(first)
    goOn(second)
    expect(new Set(await Promise.all(calls)).size).toBe(2)
    expect(pool.status).toMatchObject({ workers: 1, retiring: 0, running: 0 })
    expect(await pool.run({ how: "thread" })).toBeGreaterThan(0)
  })

  it("refuses an invalid size, and refuses every size while the pool drains and after it has closed", async () => {
    const pool = Task.createTaskPool<Plain>(url, { size: 1 })
    for (const size of bad) {
      await expect(pool.resize(size as Task.PoolSize)).rejects.toSatisfy((error) => reasonOf(error) === "InvalidOption")
    }
    const cells = makeCells()
    const running = pool.run({ how: "wait", cells })
    await begun(cells)
    const drained = pool.drain()
    await expect(pool.resize({ min: 1, max: 2 })).rejects.toSatisfy(isClosed)
    goOn(cells)
    await Promise.all([running, drained])
    await expect(pool.resize({ min: 1, max: 2 })).rejects.toSatisfy(isClosed)
  })

  it("before the pool has opened takes effect when the pool opens", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1 })
    await pool.resize({ min: 2, max: 3 })
    expect(pool.status).toMatchObject({ workers: 2, min: 2, max: 3 })
  })
})

describe("WorkerPool: resize", () => {
  it("runs more tasks at a time, and later fewer, while running tasks finish", () =>
    Effect.gen(function* () {
      const pool = yield* makePool()
      const [first, second] = [makeCells(), makeCells()]
      const tasks = yield* Effect.forEach([first, second], (cells) =>
        Effect.forkChild(pool.execute("StopThenWait", { cells }), { startImmediately: true })
      )
      yield* whenSet(first, Cell.begun)
      yield* pool.resize({ min: 1, max: 2 })
      yield* whenSet(second, Cell.begun)
      expect(yield* pool.status).toMatchObject({ workers: 2, running: 2, queued: 0, min: 1, max: 2 })
      yield* pool.resize({ min: 0, max: 1 })
      expect(yield* pool.status).toMatchObject({ workers: 1, retiring: 1, running: 2, min: 0, max: 1 })
      goOn(first)
      goOn(second)
      yield* Effect.forEach(tasks, Fiber.interrupt, { concurrency: "unbounded" })
      expect(yield* pool.status).toMatchObject({ workers: 1, retiring: 0, running: 0 })
      expect(yield* pool.execute("Add", { a: 1, b: 2 })).toBe(3)
    }).pipe(Effect.scoped, Effect.runPromise))

  it("dies of an invalid size, and fails while the pool drains and after it has closed", () =>
    Effect.gen(function* () {
      const pool = yield* makePool()
      for (const size of bad) {
        const exit = yield* Effect.exit(pool.resize(size as Task.PoolSize))
        const defect = Exit.isFailure(exit) && exit.cause.reasons.find(Cause.isDieReason)?.defect
        expect(reasonOf(defect)).toBe("InvalidOption")
      }
      const cells = makeCells()
      const task = yield* Effect.forkChild(pool.execute("Mark", { cells }), { startImmediately: true })
      yield* whenSet(cells, Cell.begun)
      const drain = yield* Effect.forkChild(pool.drain(), { startImmediately: true })
      expect(reasonOf(yield* Effect.flip(pool.resize({ min: 1, max: 2 })))).toBe("PoolClosed")
      yield* Fiber.interrupt(task)
      yield* Fiber.join(drain)
      expect(reasonOf(yield* Effect.flip(pool.resize({ min: 1, max: 2 })))).toBe("PoolClosed")
    }).pipe(Effect.scoped, Effect.runPromise))
})
