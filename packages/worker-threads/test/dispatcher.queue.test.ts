/** The order of the queue, its inspection, its cancel, and drains. */
import { Effect, Fiber } from "effect"
import * as fc from "fast-check"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { TaskQueue, type Waiting } from "../src/internal/host/taskQueue.ts"
import { Pool } from "./fixtures/fake-pool.ts"
import type { FakeTask } from "./fixtures/fake-workers.ts"

// Time is virtual, so no test waits, and no worker is a thread.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }))
afterEach(() => void vi.useRealTimers())

/** Completes after the fibers of this turn have run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const statesOf = (tasks: ReadonlyArray<FakeTask>): ReadonlyArray<string> => tasks.map((task) => task.state)

/** One task runs, and the others wait. */
const busy = (priorities: ReadonlyArray<number>, bound = Infinity): [Pool, FakeTask, Array<FakeTask>] => {
  const pool = Pool.opened({ bound })
  const running = pool.submit("running")
  return [pool, running, priorities.map((priority, index) => pool.submit(`${priority}/${index}`, priority))]
}

describe("TaskQueue", () => {
  type Step =
    | { readonly _tag: "Add"; readonly priority: number }
    | { readonly _tag: "Take" }
    | { readonly _tag: "Remove"; readonly which: number }
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ _tag: fc.constant("Add"), priority: fc.integer({ min: -5, max: 5 }) }) },
    { weight: 2, arbitrary: fc.constant<Step>({ _tag: "Take" }) },
    { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Remove"), which: fc.nat(50) }) }
  )

  it("returns the task of the highest priority first and, within a priority, the oldest, as a sorted list does", () =>
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new TaskQueue<Waiting>()
        let list: Array<Waiting> = []
        const removers: Array<() => void> = []
        const tasks: Array<Waiting> = []
        const taken: Array<[Waiting | undefined, Waiting | undefined]> = []
        for (const one of steps) {
          if (one._tag === "Add") {
            const task = { name: String(tasks.length), priority: one.priority, waitingSince: 0 }
            tasks.push(task)
            removers.push(queue.add(task))
            list = [...list, task].toSorted((a, b) => b.priority - a.priority)
          } else if (one._tag === "Take") taken.push([queue.take(), list.shift()])
          else if (tasks.length > 0) {
            const which = one.which % tasks.length
            removers[which]!()
            list = list.filter((task) => task !== tasks[which])
          }
          for (const [task, expected] of taken.splice(0)) expect(task).toBe(expected)
          expect(queue.size).toBe(list.length)
          expect(queue.all).toEqual(list)
        }
      })
    ))

  it("keeps no task that was removed", () => {
    const queue = new TaskQueue<Waiting>()
    const removers = Array.from({ length: 1_000 }, (_, index) =>
      queue.add({ name: "", priority: index % 7, waitingSince: 0 })
    )
    for (const remove of removers.toReversed()) remove()
    for (const remove of removers) remove()
    expect([queue.size, queue.take(), queue.all]).toEqual([0, undefined, []])
  })
})

describe("priorities", () => {
  it("decide which of the waiting tasks is next", () => {
    const [, running, tasks] = busy([0, 5, -1, 5, 0])
    let current = running
    const order: Array<string> = []
    while (tasks.some(({ state }) => state === "queued")) {
      current.finish()
      current = tasks.find(({ state }) => state === "running")!
      order.push(current.name)
    }
    expect(order).toEqual(["5/1", "5/3", "0/0", "0/4", "-1/2"])
  })

  it("decide which of the callers without room is admitted next", async () => {
    const [pool, running] = busy([], 0)
    const order: Array<string> = []
    for (const priority of [0, 2, 1]) {
      pool.admit(`${priority}`, priority).addObserver(() => order.push(`${priority}`))
    }
    running.finish()
    await turn()
    for (let round = 0; round < 3; round++) {
      for (const task of pool.last.tasks) task.finish()
      await turn()
    }
    expect(order).toEqual(["2", "1", "0"])
  })
})

describe("queued", () => {
  it("returns the names, ages and priorities of the waiting tasks, in order, and of the callers that wait for room", async () => {
    const [pool] = busy([1, 2], 2)
    pool.admit("caller", 3)
    await turn()
    const { queued } = pool.dispatcher
    expect(queued.map(({ name, priority }) => [name, priority])).toEqual([
      ["2/1", 2],
      ["1/0", 1],
      ["caller", 3]
    ])
    expect(queued.every(({ ageMillis }) => ageMillis >= 0 && ageMillis < 60_000)).toBe(true)
  })
})

describe("cancelQueued", () => {
  it("ends the waiting tasks and callers, no running task, and returns their number", async () => {
    const [pool, running, tasks] = busy([0, 1], 2)
    const caller = pool.admit("caller")
    await turn()
    expect(pool.dispatcher.cancelQueued()).toBe(3)
    expect(statesOf([running, ...tasks])).toEqual(["running", "cancelled", "cancelled"])
    await turn()
    expect(caller.pollUnsafe()).toMatchObject({ _tag: "Failure" })
    expect([pool.dispatcher.cancelQueued(), pool.dispatcher.queued]).toEqual([0, []])
    expect(pool.submit("next").state).toBe("queued")
  })
})

const drained = (pool: Pool, millis = Infinity, queued: "finish" | "drop" = "finish") =>
  Effect.runFork(pool.dispatcher.drain(millis, queued))

/** Ends the workers that were asked to end. */
const endWorkers = async (pool: Pool): Promise<void> => {
  await turn()
  for (const worker of pool.alive) if (worker.isEnding) worker.crash()
}

describe("drain", () => {
  it("runs the waiting tasks, accepts no new task, and then ends the workers", async () => {
    const [pool, running, [waiting]] = busy([0])
    const drain = drained(pool)
    expect(pool.submit("late").error?.reason._tag).toBe("PoolClosed")
    expect(pool.dispatcher.hasRoom).toBe(false)
    running.finish()
    expect(waiting!.state).toBe("running")
    waiting!.finish()
    await endWorkers(pool)
    expect(await Effect.runPromise(Fiber.join(drain))).toEqual({ finished: 2, cut: 0, neverStarted: 0 })
    expect(pool.alive).toEqual([])
  })

  it("drops the waiting tasks with the option drop", async () => {
    const [pool, running, tasks] = busy([0, 1], 2)
    const caller = pool.admit("caller")
    await turn()
    const drain = drained(pool, Infinity, "drop")
    await turn()
    expect(tasks.map(({ error }) => error?.reason._tag)).toEqual(["PoolClosed", "PoolClosed"])
    expect(caller.pollUnsafe()).toMatchObject({ _tag: "Failure" })
    running.finish()
    await endWorkers(pool)
    expect(await Effect.runPromise(Fiber.join(drain))).toEqual({ finished: 1, cut: 0, neverStarted: 3 })
  })

  it("runs the tasks of callers that already wait for room", async () => {
    const [pool, running] = busy([], 0)
    const caller = pool.admit("caller")
    await turn()
    const drain = drained(pool)
    running.finish()
    await turn()
    expect(drain.pollUnsafe()).toBe(undefined)
    const task = await Effect.runPromise(Fiber.join(caller))
    expect(task.state).toBe("running")
    task.finish()
    await endWorkers(pool)
    expect(await Effect.runPromise(Fiber.join(drain))).toEqual({ finished: 2, cut: 0, neverStarted: 0 })
  })

  it("counts all callers that waited for room if a close ends it", async () => {
    const pool = new Pool({ min: 0, bound: 0 })
    pool.startProblem = "no memory"
    pool.submit("first").cancel()
    for (const name of ["one", "two", "three"]) pool.admit(name)
    const drain = drained(pool)
    Effect.runFork(pool.dispatcher.close)
    await endWorkers(pool)
    expect(await Effect.runPromise(Fiber.join(drain))).toEqual({ finished: 0, cut: 0, neverStarted: 3 })
  })

  it("ends the running tasks and rejects the waiting tasks after its time limit", async () => {
    const [pool, running, [waiting]] = busy([0])
    const drain = drained(pool, 1_000)
    await turn()
    vi.advanceTimersByTime(1_000)
    await endWorkers(pool)
    expect(statesOf([running, waiting!])).toEqual(["cancelled", "failed"])
    expect(await Effect.runPromise(Fiber.join(drain))).toEqual({ finished: 0, cut: 1, neverStarted: 1 })
  })

  it("replaces a worker that dies while tasks wait, and fails when no worker can be started", async () => {
    const [pool, , [waiting]] = busy([0])
    const drain = drained(pool)
    pool.last.crash()
    pool.startProblem = "no memory"
    pool.last.crash()
    await turn()
    expect(drain.pollUnsafe()).toBe(undefined)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(waiting!.error?.reason._tag).toBe("SpawnFailed")
    expect(await Effect.runPromise(Fiber.join(drain))).toEqual({ finished: 1, cut: 0, neverStarted: 1 })
    expect(vi.getTimerCount()).toBe(0)
  })

  it("reports to both callers if it is called twice", async () => {
    const [pool, running] = busy([])
    const drains = [drained(pool), drained(pool)]
    running.finish()
    await endWorkers(pool)
    const reports = await Promise.all(drains.map((drain) => Effect.runPromise(Fiber.join(drain))))
    expect(reports).toEqual(Array.from({ length: 2 }, () => ({ finished: 1, cut: 0, neverStarted: 0 })))
  })

  it("accepts no new task after it was interrupted, and a close ends the remaining tasks", async () => {
    const [pool, running] = busy([])
    await Effect.runPromise(Fiber.interrupt(drained(pool)))
    expect(pool.submit("late").state).toBe("failed")
    const closing = Effect.runFork(pool.dispatcher.close)
    await endWorkers(pool)
    await Effect.runPromise(Fiber.join(closing))
    expect(running.state).toBe("cancelled")
  })
})
