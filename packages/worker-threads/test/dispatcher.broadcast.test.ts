/** Tasks that wait for one worker each. */
import { Effect } from "effect"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { WorkerError } from "../src/WorkerError.ts"
import { Pool } from "./fixtures/fake-pool.ts"
import { FakeTask, type FakeWorker } from "./fixtures/fake-workers.ts"

// Time is virtual, so no test waits, and no worker is a thread.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }))
afterEach(() => void vi.useRealTimers())

const broadcast = (pool: Pool): ReadonlyArray<FakeTask> => {
  const { audience } = pool.dispatcher
  if (audience instanceof WorkerError) throw audience
  return audience.map((worker, index) => {
    const task = new FakeTask(`part ${index}`)
    pool.dispatcher.submitTo(worker, task)
    return task
  })
}

const statesOf = (tasks: ReadonlyArray<FakeTask>): ReadonlyArray<string> => tasks.map((task) => task.state)

const announce = (workers: ReadonlyArray<FakeWorker>): void => {
  for (const worker of workers) if (worker.isStarting) worker.announce()
}

/** Completes after the fibers of this turn have run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe("a task for each worker", () => {
  it("runs on idle workers at once, on busy ones next, and on starting ones when they are ready", () => {
    const pool = Pool.opened({ min: 2, max: 3 })
    const tasks = ["a", "b", "c", "d"].map((name) => pool.submit(name, 5))
    tasks[1]!.finish()
    tasks[2]!.finish()
    const parts = broadcast(pool)
    expect(statesOf(parts)).toEqual(["queued", "queued", "queued"])
    expect(pool.dispatcher.status).toMatchObject({ running: 2, queued: 3 })
    const next = pool.submit("next", 9)
    tasks[0]!.finish()
    expect([parts[0]!.worker, next.state]).toEqual([pool.workers[0], "queued"])
    announce(pool.workers)
    expect(parts[2]!.worker).toBe(pool.workers[2])
    parts[0]!.finish()
    expect(next.worker).toBe(pool.workers[0])
    tasks[3]!.finish()
    expect(parts[1]!.worker).toBe(pool.workers[1])
  })

  it("fails if its worker dies or is killed before the task starts, and no other worker runs it", () => {
    const pool = Pool.opened({ min: 2, max: 2 })
    for (const name of ["a", "b"]) pool.submit(name)
    const parts = broadcast(pool)
    pool.workers[0]!.crash()
    pool.workers[1]!.kill()
    expect(parts.map(({ error }) => error?.reason._tag)).toEqual(["WorkerExited", "WorkerExited"])
    announce(pool.workers)
    expect(pool.dispatcher.status).toMatchObject({ workers: 2, running: 0, queued: 0 })
  })

  it("still runs on a worker that starts to retire, also before that worker is ready", async () => {
    const pool = Pool.opened({ min: 1, max: 3 })
    const tasks = ["a", "b", "c"].map((name) => pool.submit(name))
    const parts = broadcast(pool)
    expect(statesOf(parts)).toEqual(["queued", "queued", "queued"])
    Effect.runSync(pool.dispatcher.resize({ min: 1, max: 1 }))
    announce(pool.workers)
    for (let round = 0; round < 3; round++) {
      for (const task of [...tasks, ...parts]) if (task.state === "running") task.finish()
    }
    expect(statesOf([...tasks, ...parts])).toEqual(Array.from({ length: 6 }, () => "finished"))
    expect(new Set(parts.map(({ worker }) => worker)).size).toBe(3)
    await turn()
    expect(pool.dispatcher.status).toMatchObject({ workers: 1, retiring: 0 })
    expect(pool.workers.filter((worker) => worker.isEnding).length).toBe(2)
  })

  it("is included in queued, in cancelQueued and in a drain while it waits", async () => {
    const pool = Pool.opened()
    const running = pool.submit("running")
    const before = performance.now()
    const [cancelled] = broadcast(pool)
    const [waiting] = pool.dispatcher.queued
    expect(waiting!.name).toBe("part 0")
    // The age counts from the broadcast, and not from the start of the process.
    expect(waiting!.ageMillis).toBeGreaterThanOrEqual(0)
    expect(waiting!.ageMillis).toBeLessThanOrEqual(performance.now() - before)
    expect([pool.dispatcher.cancelQueued(), cancelled!.state]).toEqual([1, "cancelled"])
    const [part] = broadcast(pool)
    const drain = Effect.runFork(pool.dispatcher.drain(Infinity, "finish"))
    expect(pool.dispatcher.audience).toBeInstanceOf(WorkerError)
    running.finish()
    await turn()
    expect([part!.state, drain.pollUnsafe()]).toEqual(["running", undefined])
    part!.finish()
    await turn()
    for (const worker of pool.alive) worker.crash()
    await turn()
    expect(drain.pollUnsafe()).toMatchObject({ value: { finished: 2, cut: 0, neverStarted: 0 } })
  })
})
