/** Pools of both kinds replace their workers, and lose no task. */
import { Task, WorkerPoolMetrics } from "@quiesce/worker-threads"
import { Effect, Metric } from "effect"
import { describe, expect, it } from "vitest"
import { Cell } from "./fixtures/cells.ts"
import { makeCells } from "./fixtures/contract.ts"
import { makePool, whenSet } from "./support.ts"

type Plain = typeof import("./fixtures/plain-pool.ts")
const url = new URL("./fixtures/plain-pool.ts", import.meta.url)

const goOn = (cells: Int32Array<SharedArrayBuffer>): void => {
  Atomics.store(cells, Cell.cleanedUp, 1)
  Atomics.notify(cells, Cell.cleanedUp)
}

/** The number of replacements of workers for this cause. */
const replaced = (cause: string): Effect.Effect<number> =>
  Effect.map(Metric.snapshot, (all) =>
    all
      .filter(({ attributes, id }) => id === "quiesce_pool_workers_replaced_total" && attributes?.["cause"] === cause)
      .reduce((sum, { state }) => sum + (state as { readonly count: number }).count, 0)
  )

const metered = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(
    Effect.provideService(Effect.provide(effect, WorkerPoolMetrics.layer), Metric.MetricRegistry, new Map())
  )

describe("createTaskPool: recycle", () => {
  it("runs each call once under load, and no worker takes more calls than its limit", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 2, recycle: { tasks: 10 } })
    const threads = await Promise.all(Array.from({ length: 60 }, () => pool.run({ how: "thread" })))
    const counts = new Map<number, number>()
    for (const thread of threads) counts.set(thread, (counts.get(thread) ?? 0) + 1)
    expect(Math.max(...counts.values())).toBeLessThanOrEqual(10)
    expect(counts.size).toBeGreaterThanOrEqual(6)
    expect(pool.status).toMatchObject({ running: 0, queued: 0, missing: 0 })
  })

  it("by age lets a running call finish on the old worker while the new worker takes the others", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 1, concurrency: 2, recycle: { age: "50 millis" } })
    const cells = makeCells()
    const running = pool.run({ how: "wait", cells })
    await Effect.runPromise(whenSet(cells, Cell.begun))
    const first = await pool.run({ how: "thread" })
    let next = first
    while (next === first) next = await pool.run({ how: "thread" })
    goOn(cells)
    expect([first, next]).toContain(await running)
    expect(await running).not.toBe(await pool.run({ how: "thread" }))
  })

  it("replaces the worker above a limit of its heap, and counts the cause", () =>
    Effect.gen(function* () {
      const leak = new URL("./fixtures/plain-leak.ts", import.meta.url)
      const recycle = { heap: 64 * 1024 * 1024 }
      const pool = Task.createTaskPool<typeof import("./fixtures/plain-leak.ts")>(leak, { size: 1, recycle })
      const run = (count: number) => Effect.promise(() => pool.run(count))
      const first = yield* run(10_000_000)
      // Each call counts as an event of the worker.
      while ((yield* run(0)) === first) yield* Effect.sleep("10 millis")
      expect(yield* replaced("heap")).toBe(1)
      yield* Effect.promise(() => pool[Symbol.asyncDispose]())
    }).pipe(metered))

  it("refuses a bad limit at the first call", async () => {
    const pool = Task.createTaskPool<Plain>(url, { size: 1, recycle: { tasks: 0 } })
    await expect(pool.run({ how: "thread" })).rejects.toThrow(/recycle\.tasks/)
  })
})

describe("WorkerPool: recycle", () => {
  it("after two tasks starts another worker for the third task, and counts the cause", () =>
    Effect.gen(function* () {
      const pool = yield* makePool({ recycle: { tasks: 2 } })
      for (let a = 0; a < 5; a++) expect(yield* pool.execute("Add", { a, b: 1 })).toBe(a + 1)
      expect(yield* replaced("tasks")).toBe(2)
      expect(yield* replaced("lost")).toBe(0)
      expect(yield* pool.status).toMatchObject({ workers: 1, retiring: 0, missing: 0, running: 0 })
    }).pipe(Effect.scoped, metered))
})
