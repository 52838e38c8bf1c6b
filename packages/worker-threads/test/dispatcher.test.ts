import { Effect, Fiber } from "effect"
import * as fc from "fast-check"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import type { PoolSize } from "../src/internal/host/poolSize.ts"
import type { WorkerError } from "../src/WorkerError.ts"
import { Pool } from "./fixtures/fake-pool.ts"
import type { FakeTask } from "./fixtures/fake-workers.ts"

// Time is virtual, so no test waits, and no worker is a thread.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }))
afterEach(() => void vi.useRealTimers())

/** The status of a pool without tasks and with all its workers. */
const calm = { retiring: 0, missing: 0, running: 0, queued: 0 }

const statesOf = (tasks: ReadonlyArray<FakeTask>): ReadonlyArray<string> => tasks.map((task) => task.state)

const reasonOf = (error: WorkerError | undefined): string | undefined => error?.reason._tag

const failureOf = async (fiber: Fiber.Fiber<unknown, WorkerError>): Promise<string | undefined> =>
  reasonOf(await Effect.runPromise(Effect.flip(Fiber.join(fiber))))

/** Advances the virtual time to the next attempt, and returns the milliseconds. */
const untilNextAttempt = (pool: Pool): number => {
  const before = pool.attempts
  let millis = 0
  while (pool.attempts === before && millis < 100_000) {
    vi.advanceTimersByTime(1)
    millis++
  }
  return millis
}

/** A caller that waits for room and then submits a task. */
const admitted = (pool: Pool, order: Array<FakeTask>, name: string): Fiber.Fiber<unknown, WorkerError> => {
  const fiber = pool.admit(name)
  fiber.addObserver((exit) => {
    if (exit._tag === "Success") order.push(exit.value)
  })
  return fiber
}

/** Completes after the fibers of this turn have run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe("the queue", () => {
  it("assigns tasks to a worker in the order of their arrival", () => {
    const pool = Pool.opened()
    const tasks = ["first", "second", "third"].map((name) => pool.submit(name))
    expect(statesOf(tasks)).toEqual(["running", "queued", "queued"])
    tasks[0]!.finish()
    expect(statesOf(tasks)).toEqual(["finished", "running", "queued"])
    tasks[1]!.finish()
    expect(statesOf(tasks)).toEqual(["finished", "finished", "running"])
  })

  it("assigns a task to the worker with the most free slots", () => {
    const pool = Pool.opened({ min: 2, max: 2, concurrency: 2 })
    const tasks = ["a", "b", "c", "d"].map((name) => pool.submit(name))
    expect(tasks.map((task) => pool.workers.indexOf(task.worker!))).toEqual([0, 1, 0, 1])
  })

  it("starts one more worker for a task if no worker is free, up to the maximum", () => {
    const pool = Pool.opened({ min: 1, max: 2 })
    for (const name of ["a", "b", "c"]) pool.submit(name)
    expect(pool.workers.length).toBe(2)
    pool.last.announce()
    expect(pool.dispatcher.status).toEqual({ ...calm, workers: 2, running: 2, queued: 1, min: 1, max: 2 })
  })

  it("drops a task that is cancelled while it waits", () => {
    const pool = Pool.opened()
    const [running, cancelled, next] = ["running", "cancelled", "next"].map((name) => pool.submit(name))
    cancelled!.cancel()
    running!.finish()
    expect(next!.state).toBe("running")
    expect(pool.dispatcher.status.queued).toBe(0)
  })
})

describe("a killed worker", () => {
  it("is replaced before it has ended, and not again when it ends", () => {
    const pool = Pool.opened({ min: 2, max: 2 })
    const [first, second] = [pool.submit("first"), pool.submit("second")]
    for (const worker of pool.workers.slice(0, 2)) worker.kill()
    expect(pool.dispatcher.status).toEqual({ ...calm, workers: 2, min: 2, max: 2 })
    const third = pool.submit("third")
    for (const worker of pool.alive) if (worker.isStarting) worker.announce()
    expect(statesOf([first, second, third])).toEqual(["running", "running", "running"])
    for (const worker of pool.workers.slice(0, 2)) worker.crash()
    expect(pool.attempts).toBe(4)
    expect(pool.dispatcher.status).toEqual({ ...calm, workers: 2, running: 1, min: 2, max: 2 })
  })

  it("is awaited when the pool closes", async () => {
    const pool = Pool.opened()
    pool.submit("task")
    const [killed] = pool.workers
    killed!.kill()
    const closed = Effect.runFork(pool.dispatcher.close)
    await turn()
    pool.last.crash()
    await turn()
    expect(closed.pollUnsafe()).toBe(undefined)
    killed!.crash()
    await Effect.runPromise(Fiber.join(closed))
    expect(pool.alive).toEqual([])
  })
})

describe("a bound", () => {
  it("admits as many tasks as workers can run and as may wait, and then fails with QueueFull if set to fail", async () => {
    const pool = Pool.opened({ bound: 1, whenFull: "fail" })
    const admitted: Array<FakeTask> = []
    while (pool.dispatcher.hasRoom) admitted.push(pool.submit("task"))
    expect(statesOf(admitted)).toEqual(["running", "queued"])
    expect(await failureOf(pool.admit("late"))).toBe("QueueFull")
    admitted[0]!.finish()
    expect((await Effect.runPromise(Fiber.join(pool.admit("next")))).state).toBe("queued")
  })

  it("counts the workers that are starting, and those that one more task would start", () => {
    const pool = new Pool({ min: 1, max: 3, bound: 0, concurrency: 2 })
    Effect.runFork(pool.dispatcher.open)
    let admitted = 0
    for (; pool.dispatcher.hasRoom; admitted++) pool.submit("task")
    expect(admitted).toBe(6)
  })

  it("admits a waiting caller as soon as a start shows that workers can be started again", async () => {
    const pool = new Pool({ min: 1, max: 2, bound: 0 })
    Effect.runFork(pool.dispatcher.open)
    const first = pool.submit("first")
    expect(pool.attempts).toBe(2)
    pool.workers[0]!.crash()
    const order: Array<FakeTask> = []
    admitted(pool, order, "caller")
    pool.workers[1]!.announce()
    await turn()
    expect([first.state, statesOf(order), pool.attempts]).toEqual(["running", ["queued"], 3])
  })

  for (const bound of [0, 1]) {
    it(`lets callers wait for room, the first one first, and drops one that is cancelled: ${bound} may wait`, async () => {
      const pool = Pool.opened({ bound })
      const order = ["running", "queued"].slice(0, bound + 1).map((name) => pool.submit(name))
      const [, cancelled] = ["first", "cancelled", "second", "third"].map((name) => admitted(pool, order, name))
      await Effect.runPromise(Fiber.interrupt(cancelled!))
      for (let count = 0; count < order.length; count++) {
        order[count]!.finish()
        await turn()
      }
      expect(order.map(({ name }) => name).slice(bound + 1)).toEqual(["first", "second", "third"])
    })
  }

  it("admits a waiting caller once a worker can be started again", async () => {
    const pool = Pool.opened({ min: 0, bound: 0 })
    const order: Array<FakeTask> = []
    pool.startProblem = "no memory"
    // The worker of this task could not be started, and its caller has cancelled it.
    pool.submit("given up").cancel()
    expect(pool.dispatcher.hasRoom).toBe(false)
    admitted(pool, order, "waiting")
    pool.startProblem = undefined
    vi.advanceTimersByTime(20)
    await turn()
    pool.last.announce()
    expect(statesOf(order)).toEqual(["running"])
  })
})

describe("a worker that can't be started", () => {
  it("is started again after pauses that double up to half a minute", () => {
    const pool = Pool.opened()
    pool.startProblem = "no memory"
    pool.last.crash()
    const pauses = Array.from({ length: 14 }, () => untilNextAttempt(pool))
    expect(pauses).toEqual([20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10_240, 20_480, 30_000, 30_000, 30_000])
  })

  it("has the shortest pause again after a worker has started", () => {
    const pool = Pool.opened()
    pool.startProblem = "no memory"
    pool.submit("task")
    pool.last.crash()
    expect([untilNextAttempt(pool), untilNextAttempt(pool)]).toEqual([20, 40])
    pool.startProblem = undefined
    expect(untilNextAttempt(pool)).toBe(80)
    pool.last.announce()
    pool.submit("task")
    pool.startProblem = "no memory"
    pool.last.crash()
    expect(untilNextAttempt(pool)).toBe(20)
  })

  it("fails the opening after five attempts, without a warning, because the maker of the pool receives the error", async () => {
    const pool = new Pool()
    pool.startProblem = "no such module"
    const opening = Effect.runFork(pool.dispatcher.open)
    vi.advanceTimersByTime(1_000)
    expect(pool.attempts).toBeGreaterThanOrEqual(5)
    expect(await failureOf(opening)).toBe("SpawnFailed")
    expect(pool.warnings).toEqual([])
  })

  it("fails all tasks when no worker is left after five attempts, and each new task until a worker has started", () => {
    const pool = Pool.opened()
    const queued = pool.submit("queued")
    pool.startProblem = "no memory"
    pool.last.crash()
    vi.advanceTimersByTime(1_000)
    expect(queued.state).toBe("failed")
    const waiting = pool.submit("waiting")
    expect(reasonOf(waiting.error)).toBe("SpawnFailed")
    expect(pool.dispatcher.status.missing).toBe(1)
    pool.startProblem = undefined
    vi.advanceTimersByTime(60_000)
    pool.last.announce()
    expect(pool.submit("after").state).toBe("running")
  })

  it("is logged once, after the fifth attempt, and again only after a worker has started", async () => {
    const pool = Pool.opened()
    const failFor = async (millis: number): Promise<void> => {
      pool.startProblem = "no memory"
      pool.submit("task")
      pool.last.crash()
      await vi.advanceTimersByTimeAsync(millis)
    }
    await failFor(200_000)
    expect(pool.warnings.length).toBe(1)
    expect(pool.warnings[0]).toContain("no memory")
    pool.startProblem = undefined
    await vi.advanceTimersByTimeAsync(60_000)
    pool.last.announce()
    await failFor(200_000)
    expect(pool.warnings.length).toBe(2)
  })
})

describe("a worker that dies", () => {
  it("is replaced at once if it has run a task, and its tasks fail", () => {
    const pool = Pool.opened()
    const [running, queued] = [pool.submit("running"), pool.submit("queued")]
    pool.last.crash()
    expect(reasonOf(running.error)).toBe("WorkerExited")
    expect(pool.alive.length).toBe(1)
    pool.last.announce()
    expect(queued.state).toBe("running")
  })

  it("is replaced after a pause if it has run no task", () => {
    const pool = Pool.opened()
    pool.last.crash()
    expect(pool.alive.length).toBe(0)
    expect(untilNextAttempt(pool)).toBe(20)
    expect(pool.alive.length).toBe(1)
  })
})

describe("workers that died without a task while another worker starts", () => {
  it("are all replaced after the pause", () => {
    const pool = new Pool({ min: 3, max: 3 })
    Effect.runFork(pool.dispatcher.open)
    const [first, second, slow] = pool.workers
    for (const worker of [first!, second!]) worker.announce()
    for (const worker of [first!, second!]) worker.crash()
    untilNextAttempt(pool)
    slow!.announce()
    expect(pool.dispatcher.status).toMatchObject({ workers: 3, missing: 0 })
  })
})

describe("a worker that is idle", () => {
  it("ends after its idle time if there are more workers than the minimum", () => {
    const pool = Pool.opened({ min: 1, max: 2 })
    const [first, second] = [pool.submit("first"), pool.submit("second")]
    pool.last.announce()
    first.finish()
    second.finish()
    vi.advanceTimersByTime(9_999)
    expect(pool.workers.map((worker) => worker.isEnding)).toEqual([false, false])
    vi.advanceTimersByTime(1)
    expect(pool.workers.filter((worker) => worker.isEnding).length).toBe(1)
    expect(pool.dispatcher.status.workers).toBe(1)
    vi.advanceTimersByTime(100_000)
    expect(pool.workers.filter((worker) => worker.isEnding).length).toBe(1)
  })

  it("has its full idle time again after each task", () => {
    const pool = Pool.opened({ min: 0 })
    pool.submit("start")
    pool.last.announce()
    pool.last.tasks.values().next().value!.finish()
    vi.advanceTimersByTime(9_000)
    pool.submit("again").finish()
    vi.advanceTimersByTime(9_000)
    expect(pool.last.isEnding).toBe(false)
    vi.advanceTimersByTime(1_000)
    expect(pool.last.isEnding).toBe(true)
  })

  it("survives if it runs a task when its idle time is over", () => {
    const pool = Pool.opened({ min: 0 })
    pool.submit("first")
    pool.last.announce()
    pool.last.tasks.values().next().value!.finish()
    pool.submit("long")
    vi.advanceTimersByTime(100_000)
    expect(pool.last.isEnding).toBe(false)
  })
})

describe("a close", () => {
  it("ends the running tasks, rejects waiting and new tasks, and waits for each worker", async () => {
    const pool = Pool.opened({ min: 1, max: 2 })
    const [first, second, queued] = [pool.submit("first"), pool.submit("second"), pool.submit("queued")]
    // The second worker has not started yet.
    const closing = Effect.runFork(pool.dispatcher.close)
    expect([first.state, reasonOf(second.error), reasonOf(queued.error)]).toEqual([
      "cancelled",
      "PoolClosed",
      "PoolClosed"
    ])
    expect(reasonOf(pool.submit("late").error)).toBe("PoolClosed")
    expect(await failureOf(pool.admit("late"))).toBe("PoolClosed")
    pool.workers[0]!.crash()
    expect(closing.pollUnsafe()).toBeUndefined()
    pool.workers[1]!.crash()
    await Effect.runPromise(Fiber.join(closing))
    expect(pool.attempts).toBe(2)
    expect(vi.getTimerCount()).toBe(0)
  })

  it("waits for a worker that retires", async () => {
    const pool = Pool.opened({ min: 0 })
    pool.submit("task")
    pool.last.announce()
    pool.last.tasks.values().next().value!.finish()
    vi.advanceTimersByTime(10_000)
    expect(pool.dispatcher.status.workers).toBe(0)
    const closing = Effect.runFork(pool.dispatcher.close)
    expect(closing.pollUnsafe()).toBeUndefined()
    pool.last.crash()
    await Effect.runPromise(Fiber.join(closing))
  })

  it("fails callers that wait for room", async () => {
    const pool = Pool.opened({ bound: 0 })
    pool.submit("running")
    const waiting = pool.admit("waiting")
    Effect.runFork(pool.dispatcher.close)
    expect(await failureOf(waiting)).toBe("PoolClosed")
  })
})

// ---- The invariants of the module's header, under random events ----

type Event =
  | { readonly _tag: "Submit" }
  | { readonly _tag: "Announce" | "Crash" | "Finish" | "Cancel" | "Kill" | "Fail"; readonly which: number }
  | { readonly _tag: "Break"; readonly isBroken: boolean }
  | { readonly _tag: "Wait"; readonly millis: number }
  | { readonly _tag: "Resize"; readonly min: number; readonly surplus: number }

const which = fc.nat(20)
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Event>({ _tag: "Submit" }) },
  { weight: 5, arbitrary: fc.record({ _tag: fc.constantFrom("Announce", "Finish"), which }) },
  { weight: 3, arbitrary: fc.record({ _tag: fc.constantFrom("Crash", "Cancel", "Kill", "Fail"), which }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Break"), isBroken: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Wait"), millis: fc.integer({ min: 1, max: 40_000 }) }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Resize"), min: fc.nat(2), surplus: fc.nat(2) }) }
)

const sizeOf = ({ min, surplus }: { readonly min: number; readonly surplus: number }): PoolSize => ({
  min,
  max: Math.max(1, min + surplus)
})

const options = fc
  .record({
    min: fc.nat(2),
    surplus: fc.nat(2),
    concurrency: fc.integer({ min: 1, max: 3 }),
    bound: fc.constantFrom(0, 1, Infinity),
    recycle: fc.record({
      tasks: fc.constantFrom(1, 2, 12, Infinity),
      ageMillis: fc.constantFrom(1_000, Infinity),
      heapBytes: fc.constant(Infinity)
    })
  })
  .map(({ surplus, ...rest }) => ({ ...rest, ...sizeOf({ min: rest.min, surplus }) }))

const pick = <A>(all: ReadonlyArray<A>, which: number): A | undefined => all[which % Math.max(1, all.length)]

const apply = (pool: Pool, tasks: Array<FakeTask>, event: Event): void => {
  switch (event._tag) {
    case "Submit":
      if (pool.dispatcher.hasRoom) tasks.push(pool.submit(String(tasks.length)))
      return
    case "Announce":
      return pick(
        pool.alive.filter((worker) => worker.isStarting),
        event.which
      )?.announce()
    case "Crash":
      return pick(pool.alive, event.which)?.crash()
    case "Kill":
      return pick(
        pool.alive.filter((worker) => worker.tasks.size > 0 && !worker.isEnding),
        event.which
      )?.kill()
    case "Fail":
      return pick(
        pool.alive.filter((worker) => !worker.isEnding),
        event.which
      )?.fail()
    case "Finish":
      return pick(
        tasks.filter((task) => task.state === "running"),
        event.which
      )?.finish()
    case "Cancel":
      return pick(
        tasks.filter((task) => task.state === "queued"),
        event.which
      )?.cancel()
    case "Break":
      pool.startProblem = event.isBroken ? "no memory" : undefined
      return
    case "Wait":
      return void vi.advanceTimersByTime(event.millis)
    case "Resize":
      return Effect.runSync(pool.dispatcher.resize(sizeOf(event)))
  }
}

const check = (pool: Pool, tasks: ReadonlyArray<FakeTask>): void => {
  const { max, min, queued, retiring, running, workers } = pool.dispatcher.status
  const inPool = pool.alive.filter((worker) => !worker.isEnding && !pool.isRetiring(worker))
  const outgoing = inPool.filter((worker) => pool.isOutgoing(worker)).length
  expect(workers).toBe(inPool.length - outgoing)
  const retirees = pool.alive.filter((worker) => !worker.isEnding && pool.isRetiring(worker))
  expect(retiring).toBe(retirees.length + outgoing)
  // 8. A due worker has a replacement that starts.
  if (outgoing > 0) expect(inPool.some((worker) => worker.isStarting)).toBe(true)
  // 7. A worker that retires has tasks.
  expect(retirees.every((worker) => worker.tasks.size > 0)).toBe(true)
  expect(running).toBe(tasks.filter((task) => task.state === "running" && !task.worker!.isEnding).length)
  expect(queued).toBe(tasks.filter((task) => task.state === "queued").length)
  expect(workers).toBeLessThanOrEqual(max)
  // 1. While a worker is free, no task waits.
  if (queued > 0) expect(inPool.every((worker) => worker.free === 0)).toBe(true)
  // 1. No task has overtaken another that waits.
  const firstQueued = tasks.findIndex((task) => task.state === "queued")
  if (firstQueued >= 0) expect(tasks.slice(firstQueued).every((task) => task.state !== "running")).toBe(true)
  // No worker takes more tasks than its limit.
  expect(pool.workers.every((worker) => worker.taken <= pool.taskLimit)).toBe(true)
  // 2. There are at least `min` workers, or another attempt is under way.
  if (workers < min) expect(inPool.some((worker) => worker.isStarting) || vi.getTimerCount() > 0).toBe(true)
  // Each waiting task has an event that will start it.
  if (queued > 0) expect(workers > 0 || vi.getTimerCount() > 0).toBe(true)
}

describe("the invariants of the dispatcher", () => {
  it("hold after any events, no task is lost, and a close leaves nothing behind", () =>
    fc.assert(
      fc.asyncProperty(options, fc.array(event, { maxLength: 60 }), async (options, events) => {
        const pool = new Pool(options)
        const tasks: Array<FakeTask> = []
        Effect.runFork(pool.dispatcher.open)
        for (const event of events) {
          apply(pool, tasks, event)
          check(pool, tasks)
        }
        // Once workers can be started, all waiting tasks run.
        pool.startProblem = undefined
        for (let round = 0; tasks.some(({ state }) => state === "queued" || state === "running"); round++) {
          if (round > 1_000) throw new Error(`Tasks are left: ${statesOf(tasks).join()}`)
          for (const worker of pool.alive) if (worker.isStarting) worker.announce()
          for (const task of tasks) if (task.state === "running") task.finish()
          vi.advanceTimersByTime(100)
        }
        check(pool, tasks)
        const closing = Effect.runFork(pool.dispatcher.close)
        for (const worker of pool.alive) worker.crash()
        await Effect.runPromise(Fiber.join(closing))
        expect(pool.alive).toEqual([])
        expect(vi.getTimerCount()).toBe(0)
      }),
      { numRuns: 500 }
    ))
})
