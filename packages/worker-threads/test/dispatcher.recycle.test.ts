/** The replacement of workers that are due: after a number of tasks, after a time, or above a size of the heap. */
import { Effect, Fiber } from "effect"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { neverRecycle, type RecycleLimits } from "../src/internal/host/recycleOptions.ts"
import { Pool } from "./fixtures/fake-pool.ts"
import { FakeTask, type FakeWorker } from "./fixtures/fake-workers.ts"

// Time is virtual, so no test waits, and no worker is a thread.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] }))
afterEach(() => void vi.useRealTimers())

const opened = (recycle: Partial<RecycleLimits>, options?: object): Pool =>
  Pool.opened({ ...options, recycle: { ...neverRecycle, ...recycle } })

const statesOf = (tasks: ReadonlyArray<FakeTask>): ReadonlyArray<string> => tasks.map((task) => task.state)

/** Completes after the fibers of this turn have run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const announce = (pool: Pool): void => {
  for (const worker of pool.alive) if (worker.isStarting) worker.announce()
}

const runOne = (pool: Pool): FakeWorker => {
  const task = pool.submit("task")
  task.finish()
  return task.worker!
}

const ending = (pool: Pool): ReadonlyArray<number> =>
  pool.workers.flatMap((worker, index) => (worker.isEnding ? [index] : []))

describe("recycle after a number of tasks", () => {
  it("starts the replacement with the last task, which continues, and assigns no other task to the old worker", async () => {
    const pool = opened({ tasks: 2 })
    runOne(pool)
    expect(pool.attempts).toBe(1)
    const [last, next] = [pool.submit("last"), pool.submit("next")]
    expect([pool.attempts, ...statesOf([last, next])]).toEqual([2, "running", "queued"])
    expect(pool.dispatcher.status).toMatchObject({ workers: 1, retiring: 1, running: 1, queued: 1, missing: 0 })
    announce(pool)
    expect(statesOf([last, next])).toEqual(["running", "running"])
    await turn()
    expect(ending(pool)).toEqual([])
    last.finish()
    await turn()
    expect(ending(pool)).toEqual([0])
    expect(pool.dispatcher.status).toMatchObject({ workers: 1, retiring: 0, running: 1 })
  })

  it("of one runs each task on a worker of its own", () => {
    const pool = opened({ tasks: 1 }, { max: 2 })
    const tasks = ["a", "b", "c"].map((name) => pool.submit(name))
    for (let round = 0; round < 3; round++) announce(pool)
    for (const task of tasks) task.finish()
    expect(new Set(tasks.map(({ worker }) => worker)).size).toBe(3)
    expect(statesOf(tasks)).toEqual(["finished", "finished", "finished"])
  })

  it("starts the replacement a tenth earlier, and makes no task wait for it", async () => {
    const pool = opened({ tasks: 20 })
    for (let i = 0; i < 17; i++) runOne(pool)
    expect(pool.attempts).toBe(1)
    runOne(pool)
    expect([pool.attempts, runOne(pool)]).toEqual([2, pool.workers[0]])
    expect(pool.dispatcher.status).toMatchObject({ workers: 1, retiring: 1 })
    announce(pool)
    await turn()
    expect([ending(pool), runOne(pool)]).toEqual([[0], pool.workers[1]])
  })

  it("waits for a replacement that is slower than the last tenth", () => {
    const pool = opened({ tasks: 10 })
    for (let i = 0; i < 10; i++) runOne(pool)
    const waiting = pool.submit("waiting")
    expect([waiting.state, pool.attempts]).toEqual(["queued", 2])
    announce(pool)
    expect(waiting.worker).toBe(pool.workers[1])
  })
})

describe("recycle after a time", () => {
  it("replaces one worker after the other, each when its replacement is ready, and delays no task", async () => {
    const pool = opened({ ageMillis: 1_000 }, { min: 3, max: 3 })
    const tasks = ["a", "b"].map((name) => pool.submit(name))
    vi.advanceTimersByTime(1_000)
    expect(pool.attempts).toBe(4)
    expect(pool.dispatcher.status).toMatchObject({ workers: 3, retiring: 1, missing: 0 })
    // All workers still take tasks.
    tasks.push(pool.submit("c"))
    expect(statesOf(tasks)).toEqual(["running", "running", "running"])
    for (let made = 4; made <= 6; made++) {
      expect(pool.attempts).toBe(made)
      announce(pool)
      await turn()
    }
    expect(pool.attempts).toBe(6)
    expect(pool.dispatcher.status).toMatchObject({ workers: 3, retiring: 3, running: 3 })
    const next = ["d", "e", "f"].map((name) => pool.submit(name))
    expect(statesOf([...tasks, ...next])).toEqual(Array.from({ length: 6 }, () => "running"))
    for (const task of [...tasks, ...next]) task.finish()
    await turn()
    expect(ending(pool)).toEqual([0, 1, 2])
    expect(pool.dispatcher.status).toMatchObject({ workers: 3, retiring: 0, missing: 0 })
  })

  it("ends an idle worker above the minimum without a replacement", async () => {
    const pool = opened({ ageMillis: 1_000 }, { min: 0, max: 2 })
    const task = pool.submit("task")
    announce(pool)
    task.finish()
    vi.advanceTimersByTime(1_000)
    await turn()
    expect([pool.attempts, ending(pool)]).toEqual([1, [0]])
  })

  it("keeps a worker whose replacement can't be started, and tries again after the pause", async () => {
    const pool = opened({ ageMillis: 1_000 })
    pool.startProblem = "no memory"
    vi.advanceTimersByTime(1_000)
    expect(pool.dispatcher.status).toMatchObject({ workers: 1, retiring: 0, missing: 0 })
    expect(runOne(pool)).toBe(pool.workers[0])
    pool.startProblem = undefined
    vi.advanceTimersByTime(100)
    expect(pool.attempts).toBe(3)
    // The replacement dies before it is ready.
    pool.last.crash()
    expect(pool.dispatcher.status).toMatchObject({ workers: 1, retiring: 0, missing: 0 })
    expect(runOne(pool)).toBe(pool.workers[0])
    vi.advanceTimersByTime(100)
    announce(pool)
    await turn()
    expect([ending(pool), runOne(pool)]).toEqual([[0], pool.last])
    expect(pool.warnings).toEqual([])
  })

  it("does not close a pool that can start no worker, and warns once", async () => {
    const pool = opened({ ageMillis: 1_000 })
    pool.startProblem = "no memory"
    await vi.advanceTimersByTimeAsync(600_000)
    expect(pool.attempts).toBeGreaterThan(10)
    expect(runOne(pool)).toBe(pool.workers[0])
    expect(pool.warnings.length).toBe(1)
    expect(pool.warnings[0]).toContain("can't start a further worker beside the 1 that it has")
  })

  it("starts one worker in place of a worker that dies while its replacement starts", () => {
    const pool = opened({ ageMillis: 1_000 })
    const task = pool.submit("task")
    vi.advanceTimersByTime(1_000)
    pool.workers[0]!.crash()
    expect([pool.attempts, task.state]).toEqual([2, "failed"])
    announce(pool)
    expect(pool.dispatcher.status).toMatchObject({ workers: 1, retiring: 0, missing: 0 })
  })

  it("continues in a pool that becomes smaller or larger", async () => {
    const pool = opened({ ageMillis: 1_000 }, { min: 2, max: 2 })
    vi.advanceTimersByTime(1_000)
    Effect.runSync(pool.dispatcher.resize({ min: 1, max: 1 }))
    await turn()
    expect(pool.dispatcher.status).toMatchObject({ workers: 1, missing: 0 })
    Effect.runSync(pool.dispatcher.resize({ min: 3, max: 3 }))
    for (let round = 0; round < 4; round++) announce(pool)
    await turn()
    expect(pool.dispatcher.status).toMatchObject({ workers: 3, retiring: 0, missing: 0 })
    expect(ending(pool)).toEqual(expect.arrayContaining([0, 1]))
  })

  it("leaves no timer after a close, and ends when the pool drains", async () => {
    const pool = opened({ ageMillis: 1_000, heapBytes: 100, tasks: 3 }, { min: 2, max: 2 })
    const task = pool.submit("task")
    vi.advanceTimersByTime(1_000)
    const drain = Effect.runFork(pool.dispatcher.drain(Infinity, "finish"))
    announce(pool)
    task.finish()
    await turn()
    for (const worker of pool.alive) worker.crash()
    expect(await Effect.runPromise(Fiber.join(drain))).toEqual({ finished: 1, cut: 0, neverStarted: 0 })
    expect([pool.alive, vi.getTimerCount()]).toEqual([[], 0])
  })

  it("admits a caller that waits for room before a later caller, once the replacement has room", async () => {
    const pool = opened({ ageMillis: 1_000 }, { bound: 0 })
    pool.submit("running")
    const first = pool.admit("first")
    await turn()
    vi.advanceTimersByTime(1_000)
    const later = pool.admit("later")
    expect((await Effect.runPromise(Fiber.join(first))).state).toBe("queued")
    expect(later.pollUnsafe()).toBe(undefined)
    expect(pool.dispatcher.queued.map(({ name }) => name)).toEqual(["first", "later"])
  })
})

describe("recycle above a size of the heap", () => {
  it("replaces the worker, after its replacement is ready", async () => {
    const pool = opened({ heapBytes: 100 }, { min: 2, max: 2 })
    const task = pool.submit("task")
    pool.workers[0]!.heap = 101
    pool.workers[1]!.heap = 100
    await vi.advanceTimersByTimeAsync(1_000)
    expect(pool.dispatcher.status).toMatchObject({ workers: 2, retiring: 1 })
    announce(pool)
    expect([pool.attempts, task.state]).toEqual([3, "running"])
    task.finish()
    await turn()
    expect(ending(pool)).toEqual([0])
  })

  it("measures a worker again only after a further task, or while a task runs", async () => {
    const pool = opened({ heapBytes: 100 })
    await vi.advanceTimersByTimeAsync(1_000)
    pool.last.heap = 101
    await vi.advanceTimersByTimeAsync(10_000)
    expect(pool.attempts).toBe(1)
    runOne(pool)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(pool.attempts).toBe(2)
    announce(pool)
    pool.submit("long")
    await vi.advanceTimersByTimeAsync(1_000)
    pool.last.heap = 101
    await vi.advanceTimersByTimeAsync(1_000)
    expect(pool.attempts).toBe(3)
  })

  it("keeps a worker whose heap can't be measured", async () => {
    const pool = opened({ heapBytes: 100 })
    pool.last.heap = undefined
    await vi.advanceTimersByTimeAsync(5_000)
    expect(pool.attempts).toBe(1)
  })
})

const resize = (pool: Pool, max: number): void => Effect.runSync(pool.dispatcher.resize({ min: 1, max }))

/** Both workers run a task, and the second one retires. */
const retiring = (recycle: Partial<RecycleLimits>) => {
  const pool = opened(recycle, { min: 2, max: 2 })
  const tasks = [pool.submit("first"), pool.submit("second")]
  resize(pool, 1)
  const worker = pool.workers.find((worker) => pool.isRetiring(worker))!
  const task = tasks.find((task) => task.worker === worker)!
  return { pool, task, worker }
}

describe("a surplus worker that retires and is kept after all", () => {
  it("is still replaced after its time", async () => {
    const { pool, task, worker } = retiring({ ageMillis: 1_000 })
    resize(pool, 2)
    task.finish()
    expect([pool.isRetiring(worker), pool.attempts]).toEqual([false, 2])
    await vi.advanceTimersByTimeAsync(1_000)
    for (let i = 0; i < 2; i++) announce(pool)
    expect(worker.isEnding).toBe(true)
  })

  it("is still replaced above the limit of the heap", async () => {
    const { pool, worker } = retiring({ heapBytes: 100 })
    resize(pool, 2)
    worker.heap = 101
    await vi.advanceTimersByTimeAsync(1_000)
    announce(pool)
    expect(pool.isRetiring(worker)).toBe(true)
  })

  it("is not kept after its time", async () => {
    const { pool, task, worker } = retiring({ ageMillis: 1_000 })
    await vi.advanceTimersByTimeAsync(1_000)
    resize(pool, 2)
    expect(pool.isRetiring(worker)).toBe(true)
    task.finish()
    expect(worker.isEnding).toBe(true)
  })

  it("is not kept after a broadcast that was its last task", () => {
    const pool = opened({ tasks: 2 }, { min: 2, max: 2 })
    const tasks = [pool.submit("first"), pool.submit("second")]
    const parts = pool.workers.map((worker) => {
      const part = new FakeTask("part")
      pool.dispatcher.submitTo(worker, part)
      return part
    })
    resize(pool, 1)
    const worker = pool.workers.find((worker) => pool.isRetiring(worker))!
    tasks.find((task) => task.worker === worker)!.finish()
    expect(parts.filter((part) => part.worker === worker)).toHaveLength(1)
    resize(pool, 3)
    expect(pool.isRetiring(worker)).toBe(true)
    expect(pool.submit("third").worker).not.toBe(worker)
  })
})
