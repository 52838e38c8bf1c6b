import { setEnvironmentData } from "node:worker_threads"
import { CancelReason, Deadline } from "@quiesce/core"
import { Task, WorkerError } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { Cell } from "./fixtures/cells.ts"
import * as Announced from "./fixtures/announced-function.ts"
import { makeCells } from "./fixtures/contract.ts"
import { runsOf } from "./fixtures/random-work.ts"
import { whenSet } from "./support.ts"

type Plain = typeof import("./fixtures/plain-pool.ts")
const url = new URL("./fixtures/plain-pool.ts", import.meta.url)

const begun = (cells: Int32Array<SharedArrayBuffer>): Promise<unknown> => Effect.runPromise(whenSet(cells, Cell.begun))

const goOn = (cells: Int32Array<SharedArrayBuffer>): void => {
  Atomics.store(cells, Cell.cleanedUp, 1)
  Atomics.notify(cells, Cell.cleanedUp)
}

const reasonOf = (error: unknown): string | undefined =>
  WorkerError.isWorkerError(error) ? error.reason._tag : undefined

describe("createTaskPool", () => {
  it("calls the function in its own workers, and ends them", async () => {
    const pool = Task.createTaskPool<Plain>(url, { size: 2 })
    const threads = new Set(await Promise.all(Array.from({ length: 40 }, () => pool.run({ how: "thread" }))))
    expect(threads.size).toBeLessThanOrEqual(2)
    expect(pool.status).toMatchObject({ workers: 2, running: 0, queued: 0 })
    await pool[Symbol.asyncDispose]()
    expect(pool.status.workers).toBe(0)
    await expect(pool.run({ how: "thread" })).rejects.toSatisfy((error) => reasonOf(error) === "PoolClosed")
  })

  it("runs the number of calls of a worker at a time that `concurrency` allows", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1, concurrency: 2 })
    const [first, second] = [makeCells(), makeCells()]
    const calls = [pool.run({ how: "wait", cells: first }), pool.run({ how: "wait", cells: second })]
    await Promise.all([begun(first), begun(second)])
    goOn(first)
    goOn(second)
    expect(new Set(await Promise.all(calls)).size).toBe(1)
  })

  it("ends a loop of a worker that had started before its pool opened its session with the inspector", async () => {
    // The first pool opens the session with the inspector, and leaves it without a user.
    await using before = Task.createTaskPool<Plain>(url, { size: 1 })
    await before.run({ how: "thread" })
    await before[Symbol.asyncDispose]()
    const cells = makeCells()
    setEnvironmentData(Announced.key, cells)
    const announced = new URL("./fixtures/announced-function.ts", import.meta.url)
    await using pool = Task.createTaskPool<typeof Announced>(announced, { size: 1 })
    // The worker starts during this time, but the pool can't open.
    expect(Atomics.wait(cells, Cell.begun, 0, 120_000)).not.toBe("timed-out")
    setEnvironmentData(Announced.key, undefined)
    const threadId = await pool.run("thread")
    const controller = new AbortController()
    const spinning = pool.run("spin", { signal: controller.signal })
    while (pool.status.running === 0) await new Promise((resolve) => setImmediate(resolve))
    controller.abort()
    await expect(spinning).rejects.toBe(controller.signal.reason)
    expect(await pool.run("thread")).toBe(threadId)
  })

  it("sends the first failure of a worker before a later call can block the worker", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1, concurrency: 2 })
    await pool.run({ how: "thread" })
    const cells = makeCells()
    const failing = pool.run({ how: "fail" })
    const blocking = pool.run({ how: "block", cells })
    await expect(failing).rejects.toThrow("failed")
    goOn(cells)
    await blocking
  })

  it("lists the calls that wait for the pool to open, and makes them in that order", async () => {
    const work = new URL("./fixtures/random-work.ts", import.meta.url)
    await using pool = Task.createTaskPool<typeof import("./fixtures/random-work.ts")>(work, { size: 1 })
    const cells = new Int32Array(new SharedArrayBuffer(64))
    const calls = [0, 2, 1, 2].map((priority, n) => pool.run({ n, how: "quick", cells }, { name: `${n}`, priority }))
    expect(pool.status.queued).toBe(4)
    expect(pool.queued.map(({ name, priority }) => [name, priority])).toEqual([
      ["1", 2],
      ["3", 2],
      ["2", 1],
      ["0", 0]
    ])
    expect(pool.queued.every(({ ageMillis }) => ageMillis >= 0)).toBe(true)
    await Promise.all(calls)
    expect([1, 3, 2, 0].map((n) => cells[runsOf(n) + 1])).toEqual([1, 2, 3, 4])
    expect(pool.queued).toEqual([])
  })

  it("that can't open rejects the earlier calls and the later calls", async () => {
    const pool = Task.createTaskPool<Plain>(url, { size: -1 })
    const early = pool.run({ how: "thread" })
    await expect(early).rejects.toSatisfy((error) => reasonOf(error) === "InvalidOption")
    await expect(pool.run({ how: "thread" })).rejects.toSatisfy((error) => reasonOf(error) === "InvalidOption")
    expect(pool.queued).toEqual([])
  })

  it("rejects an input that throws when it is read, and does not throw itself", async () => {
    await using pool = Task.createTaskPool<{ readonly default: (input: object) => unknown }>(url, { size: 1 })
    const trapped = new Proxy(
      {},
      {
        getPrototypeOf: () => {
          throw new Error("trapped")
        }
      }
    )
    for (const input of [trapped, { trapped }]) {
      await expect(pool.run(input)).rejects.toSatisfy((error) => reasonOf(error) === "NotSendable")
    }
  })

  it("refuses a further call when the queue is full, if `whenFull` is set to fail", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1, queue: { bound: 0, whenFull: "fail" } })
    const cells = makeCells()
    const running = pool.run({ how: "wait", cells })
    await begun(cells)
    await expect(pool.run({ how: "thread" })).rejects.toSatisfy((error) => reasonOf(error) === "QueueFull")
    goOn(cells)
    await running
  })

  it("delivers the reports in order, and no more than the caller takes", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1 })
    const seen: Array<number> = []
    expect(await pool.run({ how: "count", upTo: 1000 }, { onProgress: (n) => seen.push(n) })).toBe(1000)
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, n) => n))
    // Without a listener, no report is sent.
    expect(await pool.run({ how: "count", upTo: 1000 })).toBe(1000)
  })

  it("delivers the next report after a report that can't be cloned", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1 })
    const seen: Array<number> = []
    expect(await pool.run({ how: "refused reports", upTo: 10 }, { onProgress: (n) => seen.push(n) })).toBe(10)
    expect(seen).toEqual([10])
  })

  it("transfers the objects that `transfer` lists", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1 })
    const bytes = new Uint8Array(1_000_000)
    expect(await pool.run({ how: "fill", bytes }, { transfer: [bytes.buffer] })).toBe(1_000_000)
    expect(bytes.length).toBe(0)
  })

  it("refuses a bad option at the first call, by name", async () => {
    const pool = Task.createTaskPool<Plain>(url, { size: NaN })
    await expect(pool.run({ how: "thread" })).rejects.toThrow(/size/)
  })

  it("reports a bad option when the pool is made, also without a call", async () => {
    const unhandled = Promise.withResolvers<unknown>()
    const listeners = process.listeners("unhandledRejection")
    process.removeAllListeners("unhandledRejection")
    process.once("unhandledRejection", unhandled.resolve)
    try {
      Task.createTaskPool<Plain>(url, { size: 1, runWithin: "soon" as "1 second" })
      const error = await unhandled.promise
      expect(WorkerError.isWorkerError(error) && error.reason).toMatchObject({
        _tag: "InvalidOption",
        option: "runWithin"
      })
    } finally {
      for (const listener of listeners) process.on("unhandledRejection", listener)
    }
  })

  const misspelled: ReadonlyArray<readonly [object, string, RegExp]> = [
    [{ timeout: 100 }, "timeout", /^timeout: a call has no such option; it has signal, runWithin, name, /],
    [{ abortSignal: AbortSignal.timeout(1) }, "abortSignal", /no such option/],
    [{ signal: undefined, runwithin: "1 second" }, "runwithin", /no such option/],
    [{ __proto__: { timeout: 100 } }, "timeout", /no such option/],
    [{ toString: 1 }, "toString", /no such option/]
  ]

  it.each(misspelled)("refuses an option of a call that it does not have: $1", async (options, option, message) => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1 })
    const refused = { reason: { _tag: "InvalidOption", option }, message: expect.stringMatching(message) as string }
    await expect(pool.run({ how: "thread" }, options)).rejects.toMatchObject(refused)
    await expect(pool.broadcast({ how: "thread" }, options)).rejects.toMatchObject(refused)
    await expect(Task.runTask<Plain>(url, { how: "thread" }, options)).rejects.toMatchObject(refused)
    // An open pool refuses it, too.
    await pool.run({ how: "thread" }, { name: "opens the pool" })
    await expect(pool.run({ how: "thread" }, options)).rejects.toMatchObject(refused)
    await expect(pool.run({ how: "thread" }, { timeout: undefined } as object)).resolves.toBeGreaterThan(0)
  })

  it.each<readonly [unknown, string, RegExp]>([
    [4, "options", /^options: 4 is not the options of a pool, such as \{ size: 4 \}\.$/],
    ["four", "options", /such as/],
    [{ maxThreads: 4 }, "maxThreads", /^maxThreads: a pool has no such option; it has size, concurrency, queue, /],
    [{ size: 1, name: "images" }, "name", /no such option/],
    [{ size: { min: 0, max: 1, idel: "1 second" } }, "size.idel", /there is no such part; there are min, max, idle/],
    [{ queue: { bound: 1, whenfull: "fail" } }, "queue.whenfull", /no such part/],
    [{ recycle: { heep: 2 ** 30 } }, "recycle.heep", /no such part/],
    [{ worker: { resourcelimits: {} } }, "worker.resourcelimits", /no such part/]
  ])("refuses options of a pool that it does not have: $1", async (options, option, message) => {
    const pool = Task.createTaskPool<Plain>(url, options as Task.TaskPoolOptions)
    const refused = { reason: { _tag: "InvalidOption", option }, message: expect.stringMatching(message) as string }
    await expect(pool.run({ how: "thread" })).rejects.toMatchObject(refused)
    await expect(pool.drain()).rejects.toMatchObject(refused)
    await pool[Symbol.asyncDispose]()
  })

  it("that can't open rejects its close only if nobody has its error, because `await using` closes it, too", async () => {
    const used = Task.createTaskPool<Plain>(url, { size: -1 })
    await expect(used.run({ how: "thread" })).rejects.toSatisfy((error) => reasonOf(error) === "InvalidOption")
    await used[Symbol.asyncDispose]()
    const unused = Task.createTaskPool<Plain>(url, { size: -1 })
    await expect(unused[Symbol.asyncDispose]()).rejects.toSatisfy((error) => reasonOf(error) === "InvalidOption")
    await unused[Symbol.asyncDispose]()
    await expect(unused.run({ how: "thread" })).rejects.toSatisfy((error) => reasonOf(error) === "InvalidOption")
  })

  it("refuses an invalid signal, listener and transfer list", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1 })
    for (const options of [{ signal: {} }, { signal: null }, { onProgress: 5 }, { transfer: 5 }]) {
      await expect(pool.run({ how: "thread" }, options as never)).rejects.toSatisfy(
        (error) => reasonOf(error) === "InvalidOption"
      )
    }
  })

  for (const options of [new AbortController().signal, 5, "name", () => {}]) {
    it(`refuses ${typeof options === "object" ? "a signal" : `a ${typeof options}`} in place of options`, async () => {
      await using pool = Task.createTaskPool<Plain>(url, { size: 1 })
      const calls = [
        // The first call opens the pool.
        () => pool.run({ how: "thread" }, options as never),
        () => pool.run({ how: "thread" }, options as never),
        () => pool.broadcast({ how: "thread" }, options as never),
        () => Task.runTask<Plain>(url, { how: "thread" }, options as never)
      ]
      for (const call of calls) await expect(call()).rejects.toThrow("the options of a call, such as { signal }")
    })
  }

  it("ends its calls when it is closed, as after an abort", async () => {
    const pool = Task.createTaskPool<Plain>(url, { size: 1 })
    const cells = makeCells()
    const running = pool.run({ how: "wait", cells })
    await begun(cells)
    const closed = pool[Symbol.asyncDispose]()
    await expect(running).rejects.toMatchObject({ name: "AbortError", reason: { _tag: "Shutdown" } })
    await closed
  })
})

describe("runWithin", () => {
  it("counts from the start of the run and ends loops, too", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1, runWithin: "1 minute" })
    const cells = makeCells()
    const running = pool.run({ how: "wait", cells })
    await begun(cells)
    // This call waits for a worker while the first call runs, for any limit of its own.
    const late = pool.run({ how: "thread" }, { runWithin: "10 seconds" })
    goOn(cells)
    await running
    expect(await late).toBeGreaterThan(0)
    const spinning = pool.run({ how: "spin" }, { runWithin: "50 millis" })
    await expect(spinning).rejects.toBeInstanceOf(Deadline.DeadlineExceeded)
    await expect(spinning).rejects.toMatchObject({ millis: 50 })
    // The worker survives.
    expect(await pool.run({ how: "thread" })).toBe(await late)
  })

  it("does not change the reason of an abort by the caller", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1 })
    const [cells, controller, reason] = [makeCells(), new AbortController(), new Error("enough")]
    const running = pool.run({ how: "wait", cells }, { signal: controller.signal, runWithin: "1 minute" })
    await begun(cells)
    controller.abort(reason)
    await expect(running).rejects.toBe(reason)
  })

  it("refuses a value that is no duration", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1 })
    await expect(pool.run({ how: "thread" }, { runWithin: "soon" as never })).rejects.toSatisfy(
      (error) => reasonOf(error) === "InvalidOption"
    )
  })
})

describe("the queue", () => {
  it("runs the call of the highest priority first, and lists the waiting calls", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1 })
    const cells = makeCells()
    const running = pool.run({ how: "wait", cells })
    await begun(cells)
    const order: Array<number> = []
    const calls = [0, 2, 1].map(async (priority) => {
      await pool.run({ how: "thread" }, { priority, name: `call ${priority}` })
      order.push(priority)
    })
    expect(pool.queued.map(({ name, priority }) => [name, priority])).toEqual([
      ["call 2", 2],
      ["call 1", 1],
      ["call 0", 0]
    ])
    goOn(cells)
    await Promise.all([running, ...calls])
    expect(order).toEqual([2, 1, 0])
  })

  it("can be cancelled, and the running call continues", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1 })
    const cells = makeCells()
    const running = pool.run({ how: "wait", cells })
    await begun(cells)
    const waiting = Promise.allSettled([pool.run({ how: "thread" }), pool.run({ how: "thread" })])
    expect(await pool.cancelQueued({ reason: CancelReason.interrupted({ message: "not needed" }) })).toBe(2)
    for (const result of await waiting) {
      expect(result).toMatchObject({ status: "rejected", reason: { name: "AbortError" } })
      expect((result as PromiseRejectedResult).reason.reason).toMatchObject({ message: "not needed" })
    }
    goOn(cells)
    expect(await running).toBeGreaterThan(0)
  })

  it("refuses a priority that is no number", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1 })
    for (const priority of [NaN, "high"]) {
      await expect(pool.run({ how: "thread" }, { priority: priority as number })).rejects.toSatisfy(
        (error) => reasonOf(error) === "InvalidOption"
      )
    }
  })
})

describe("drain", () => {
  it("drops the waiting calls with the option queued: drop", async () => {
    const pool = Task.createTaskPool<Plain>(url, { size: 1 })
    const cells = makeCells()
    const running = pool.run({ how: "wait", cells })
    await begun(cells)
    const waiting = pool.run({ how: "thread" })
    const drained = pool.drain({ queued: "drop" })
    await expect(waiting).rejects.toSatisfy((error) => reasonOf(error) === "PoolClosed")
    await expect(waiting).rejects.toThrow("drained")
    goOn(cells)
    expect(await drained).toEqual({ finished: 1, cut: 0, neverStarted: 1 })
    expect(await running).toBeGreaterThan(0)
  })

  it("waits for a call that was made before the pool had opened, and refuses a later one", async () => {
    const pool = Task.createTaskPool<Plain>(url, { size: 1 })
    const earlier = pool.run({ how: "thread" })
    const drained = pool.drain()
    const later = pool.run({ how: "thread" })
    await expect(later).rejects.toSatisfy((error) => reasonOf(error) === "PoolClosed")
    expect(await earlier).toBeGreaterThan(0)
    expect(await drained).toEqual({ finished: 1, cut: 0, neverStarted: 0 })
  })

  it("waits for running and waiting calls, accepts no new call, and reports", async () => {
    const pool = Task.createTaskPool<Plain>(url, { size: 1 })
    const [first, second] = [makeCells(), makeCells()]
    const calls = [pool.run({ how: "wait", cells: first }), pool.run({ how: "wait", cells: second })]
    await begun(first)
    const drained = pool.drain()
    await expect(pool.run({ how: "thread" })).rejects.toSatisfy((error) => reasonOf(error) === "PoolClosed")
    goOn(first)
    await begun(second)
    goOn(second)
    expect(await drained).toEqual({ finished: 2, cut: 0, neverStarted: 0 })
    await Promise.all(calls)
    expect(pool.status.workers).toBe(0)
  })

  it("followed by a close counts the calls that the close has ended as cut", async () => {
    const pool = Task.createTaskPool<Plain>(url, { size: 1 })
    const cells = makeCells()
    const ended = Promise.allSettled([pool.run({ how: "wait", cells }), pool.run({ how: "thread" })])
    await begun(cells)
    const drained = pool.drain()
    await pool[Symbol.asyncDispose]()
    expect(await drained).toEqual({ finished: 0, cut: 1, neverStarted: 1 })
    expect((await ended).map(({ status }) => status)).toEqual(["rejected", "rejected"])
  })

  it("ends the remaining calls after its limit, and reports how many were cut and how many never started", async () => {
    const pool = Task.createTaskPool<Plain>(url, { size: 1 })
    const cells = makeCells()
    const calls = [pool.run({ how: "wait", cells }), pool.run({ how: "thread" }), pool.run({ how: "thread" })]
    const ended = Promise.allSettled(calls)
    await begun(cells)
    expect(await pool.drain({ within: "20 millis" })).toEqual({ finished: 0, cut: 1, neverStarted: 2 })
    expect((await ended).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"])
  })

  it("counts the calls that wait for room in the queue as never started", async () => {
    const pool = Task.createTaskPool<Plain>(url, { size: 1, queue: { bound: 1, whenFull: "wait" } })
    const cells = makeCells()
    const running = pool.run({ how: "wait", cells })
    await begun(cells)
    const ended = Promise.allSettled([running, ...Array.from({ length: 4 }, () => pool.run({ how: "thread" }))])
    expect(await pool.drain({ within: "20 millis" })).toEqual({ finished: 0, cut: 1, neverStarted: 4 })
    expect((await ended).every(({ status }) => status === "rejected")).toBe(true)
  })
})
