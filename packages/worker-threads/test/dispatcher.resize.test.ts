/** The change of the number of workers of a pool. */
import { Effect, Fiber } from "effect"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import type { PoolSize } from "../src/internal/host/poolSize.ts"
import { Pool } from "./fixtures/fake-pool.ts"
import type { FakeTask } from "./fixtures/fake-workers.ts"

// Time is virtual, so no test waits, and no worker is a thread.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }))
afterEach(() => void vi.useRealTimers())

const statesOf = (tasks: ReadonlyArray<FakeTask>): ReadonlyArray<string> => tasks.map((task) => task.state)

const resize = (pool: Pool, size: PoolSize): void => Effect.runSync(pool.dispatcher.resize(size))

const refusal = (pool: Pool): string =>
  Effect.runSync(Effect.flip(pool.dispatcher.resize({ min: 1, max: 1 }))).reason._tag

/** Completes after the fibers of this turn have run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const announce = (pool: Pool): void => {
  for (const worker of pool.alive) if (worker.isStarting) worker.announce()
}

const ending = (pool: Pool): ReadonlyArray<number> =>
  pool.workers.flatMap((worker, index) => (worker.isEnding ? [index] : []))

describe("resize to more workers", () => {
  it("starts the workers that are missing for the new minimum", () => {
    const pool = Pool.opened()
    resize(pool, { min: 3, max: 4 })
    expect(pool.attempts).toBe(3)
    announce(pool)
    expect(pool.dispatcher.status).toMatchObject({ workers: 3, missing: 0, min: 3, max: 4 })
  })

  it("starts a worker for each waiting task, up to the new maximum, and none twice", () => {
    const pool = Pool.opened()
    const tasks = ["a", "b", "c", "d"].map((name) => pool.submit(name))
    resize(pool, { min: 1, max: 3 })
    resize(pool, { min: 1, max: 3 })
    expect(pool.attempts).toBe(3)
    announce(pool)
    expect(statesOf(tasks)).toEqual(["running", "running", "running", "queued"])
  })

  it("starts no worker without need", () => {
    const pool = Pool.opened()
    pool.submit("a")
    resize(pool, { min: 1, max: 3 })
    expect(pool.attempts).toBe(1)
    pool.submit("b")
    expect(pool.attempts).toBe(2)
  })

  it("admits the callers that waited for room", async () => {
    const pool = Pool.opened({ bound: 0 })
    pool.submit("running")
    const caller = pool.admit("caller")
    await turn()
    resize(pool, { min: 1, max: 2 })
    expect((await Effect.runPromise(Fiber.join(caller))).state).toBe("queued")
    announce(pool)
    expect(pool.dispatcher.status).toMatchObject({ workers: 2, running: 2, queued: 0 })
  })

  it("keeps the retiring workers, and starts only the others", () => {
    const pool = Pool.opened({ min: 3, max: 3, concurrency: 2 })
    const tasks = ["a", "b", "c"].map((name) => pool.submit(name))
    resize(pool, { min: 1, max: 1 })
    expect(pool.dispatcher.status).toMatchObject({ workers: 1, retiring: 2, running: 3 })
    const waiting = ["d", "e", "f"].map((name) => pool.submit(name))
    expect(statesOf(waiting)).toEqual(["running", "queued", "queued"])
    resize(pool, { min: 3, max: 4 })
    expect(pool.dispatcher.status).toMatchObject({ workers: 3, retiring: 0, running: 6, queued: 0 })
    expect(pool.attempts).toBe(3)
    for (const task of [...tasks, ...waiting]) task.finish()
    expect(ending(pool)).toEqual([])
  })

  it("waits for the pause after failures to start", () => {
    const pool = Pool.opened()
    pool.startProblem = "no memory"
    resize(pool, { min: 2, max: 2 })
    expect(pool.attempts).toBe(2)
    resize(pool, { min: 3, max: 3 })
    expect(pool.attempts).toBe(2)
    pool.startProblem = undefined
    vi.advanceTimersByTime(1_000)
    announce(pool)
    announce(pool)
    expect(pool.dispatcher.status).toMatchObject({ workers: 3, missing: 0 })
  })
})

describe("resize to fewer workers", () => {
  it("ends idle workers first, then starting ones, and lets busy ones finish", async () => {
    const pool = Pool.opened({ min: 3, max: 4 })
    const tasks = ["a", "b", "c", "d"].map((name) => pool.submit(name))
    tasks[1]!.finish()
    await turn()
    // The workers run a, d and c, and the fourth is starting.
    expect(statesOf(tasks)).toEqual(["running", "finished", "running", "running"])
    tasks[2]!.finish()
    resize(pool, { min: 1, max: 3 })
    await turn()
    expect(ending(pool)).toEqual([2])
    resize(pool, { min: 1, max: 2 })
    await turn()
    expect(ending(pool)).toEqual([2, 3])
    resize(pool, { min: 1, max: 1 })
    await turn()
    expect(ending(pool)).toEqual([2, 3])
    expect(pool.dispatcher.status).toMatchObject({ workers: 1, retiring: 1, running: 2 })
    const next = pool.submit("next")
    tasks[0]!.finish()
    await turn()
    expect([ending(pool), next.state]).toEqual([[0, 2, 3], "queued"])
    tasks[3]!.finish()
    expect(next.state).toBe("running")
    expect(pool.attempts).toBe(4)
  })

  it("lets a retiring worker run all its tasks, and replaces none that dies", () => {
    const pool = Pool.opened({ min: 2, max: 2, concurrency: 2 })
    const tasks = ["a", "b", "c", "d"].map((name) => pool.submit(name))
    resize(pool, { min: 1, max: 1 })
    const retiree = pool.workers.find((worker) => pool.isRetiring(worker))!
    const [first, second] = retiree.tasks
    first!.finish()
    expect([pool.isRetiring(retiree), retiree.isEnding]).toEqual([true, false])
    retiree.crash()
    expect([second!.state, pool.attempts]).toEqual(["failed", 2])
    expect(tasks.filter(({ state }) => state === "running").length).toBe(2)
    expect(pool.dispatcher.status).toMatchObject({ workers: 1, retiring: 0, missing: 0, running: 2 })
  })

  it("of only the minimum ends surplus workers after their idle time", async () => {
    const pool = Pool.opened({ min: 3, max: 3, idleMillis: 1_000 })
    resize(pool, { min: 1, max: 3 })
    await turn()
    expect(ending(pool)).toEqual([])
    vi.advanceTimersByTime(1_000)
    await turn()
    expect(ending(pool).length).toBe(2)
    expect(pool.dispatcher.status).toMatchObject({ workers: 1, missing: 0 })
  })

  it("does not restart the idle time of a worker", async () => {
    const pool = Pool.opened({ min: 1, max: 2, idleMillis: 1_000 })
    const tasks = ["a", "b"].map((name) => pool.submit(name))
    announce(pool)
    for (const task of tasks) task.finish()
    vi.advanceTimersByTime(900)
    resize(pool, { min: 1, max: 2 })
    vi.advanceTimersByTime(100)
    await turn()
    expect(ending(pool).length).toBe(1)
  })
})

describe("an idle time without end", () => {
  it("ends no worker", async () => {
    const pool = Pool.opened({ min: 0, max: 1, idleMillis: Infinity })
    const task = pool.submit("task")
    announce(pool)
    task.finish()
    vi.advanceTimersByTime(100_000)
    await turn()
    expect(ending(pool)).toEqual([])
  })
})

describe("resize of a pool that ends", () => {
  it("is refused while the pool drains and after its close, and the drain counts the tasks of retiring workers", async () => {
    const pool = Pool.opened({ min: 2, max: 2 })
    const tasks = ["a", "b"].map((name) => pool.submit(name))
    resize(pool, { min: 1, max: 1 })
    const drain = Effect.runFork(pool.dispatcher.drain(Infinity, "finish"))
    expect(refusal(pool)).toBe("PoolClosed")
    for (const task of tasks) {
      await turn()
      expect(drain.pollUnsafe()).toBe(undefined)
      task.finish()
    }
    await turn()
    for (const worker of pool.alive) worker.crash()
    expect(await Effect.runPromise(Fiber.join(drain))).toEqual({ finished: 2, cut: 0, neverStarted: 0 })
    expect(refusal(pool)).toBe("PoolClosed")
    expect(vi.getTimerCount()).toBe(0)
  })

  it("is followed by a close that ends the tasks of the retiring workers", async () => {
    const pool = Pool.opened({ min: 2, max: 2 })
    const tasks = ["a", "b"].map((name) => pool.submit(name))
    resize(pool, { min: 1, max: 1 })
    const closing = Effect.runFork(pool.dispatcher.close)
    await turn()
    expect(statesOf(tasks)).toEqual(["cancelled", "cancelled"])
    for (const worker of pool.alive) worker.crash()
    await Effect.runPromise(Fiber.join(closing))
    expect(pool.dispatcher.status).toMatchObject({ workers: 0, retiring: 0, running: 0 })
  })
})
