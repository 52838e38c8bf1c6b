import { Thread } from "@quiesce/core"
import { Task, WorkerPoolMetrics } from "@quiesce/worker-threads"
import { Effect, Fiber, Metric } from "effect"
import { describe, expect, it } from "vitest"
import { Cell } from "./fixtures/cells.ts"
import { makeCells } from "./fixtures/contract.ts"
import { makePool, whenSet } from "./support.ts"

/** The metrics of the pools, by name and attributes. A histogram shows the number of its values. */
const numbers: Effect.Effect<Readonly<Record<string, number>>> = Effect.map(Metric.snapshot, (all) =>
  Object.fromEntries(
    all.map(({ attributes, id, state }) => {
      const labels = Object.entries(attributes ?? {}).map(([name, value]) => ` ${name}=${value}`)
      const { count, value } = state as { readonly count?: number; readonly value?: number }
      return [`${id.replace("quiesce_pool_", "")}${labels.join("")}`, count ?? value ?? NaN]
    })
  )
)

const metered = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(Effect.provideService(effect, Metric.MetricRegistry, new Map()))

describe("WorkerPoolMetrics.layer", () => {
  it("counts workers, tasks, cancels and replacements, and the time of tasks", () =>
    Effect.gen(function* () {
      const pool = yield* makePool({ name: "words" })
      expect(yield* pool.execute("Add", { a: 1, b: 2 })).toBe(3)
      yield* Effect.exit(pool.execute("Fail", { page: 1 }))
      const first = makeCells()
      const marked = yield* pool.spawn("Mark", { cells: first })
      yield* whenSet(first, Cell.begun)
      const queued = yield* pool.spawn("Wait", { lease: "page" })
      expect(yield* numbers).toEqual({
        "workers pool=words state=starting": 0,
        "workers pool=words state=idle": 0,
        "workers pool=words state=busy": 1,
        "workers pool=words state=ending": 0,
        "workers_blocked pool=words": 0,
        "tasks_queued pool=words": 1,
        "tasks_running pool=words": 1,
        "utilization_ratio pool=words": 1,
        "tasks_completed_total pool=words task=Add result=succeeded": 1,
        "tasks_completed_total pool=words task=Fail result=failed": 1,
        "task_waiting_seconds pool=words task=Add": 1,
        "task_waiting_seconds pool=words task=Fail": 1,
        "task_waiting_seconds pool=words task=Mark": 1,
        "task_running_seconds pool=words task=Add": 1,
        "task_running_seconds pool=words task=Fail": 1
      })
      // Three cancels: in the queue, on the worker, and by a kill.
      yield* Thread.interrupt(queued)
      yield* Thread.interrupt(marked)
      const second = makeCells()
      const spinning = yield* pool.spawn("Spin", { cells: second, lease: "page" })
      yield* whenSet(second, Cell.begun)
      yield* Thread.shutdown(spinning, { escalation: { kill: "1 minute" } })
      yield* Effect.exit(pool.execute("Exit", { code: 3 }))
      expect(yield* pool.execute("Add", { a: 1, b: 2 })).toBe(3)
      const after = yield* numbers
      expect(after).toMatchObject({
        "tasks_cancelled_total pool=words task=Wait rung=interrupt": 1,
        "tasks_cancelled_total pool=words task=Mark rung=interrupt": 1,
        "tasks_cancelled_total pool=words task=Spin rung=kill": 1,
        "workers_replaced_total pool=words cause=killed": 1,
        "workers_replaced_total pool=words cause=lost": 1,
        "tasks_completed_total pool=words task=Exit result=failed": 1,
        "task_running_seconds pool=words task=Spin": 1,
        "workers pool=words state=idle": 1,
        "utilization_ratio pool=words": 0
      })
      expect(Object.keys(after)).not.toContain("task_waiting_seconds pool=words task=Wait")
    }).pipe(Effect.scoped, Effect.provide(WorkerPoolMetrics.layer), metered))

  it("counts tasks that their pool takes out of its queue as cancelled", () =>
    Effect.gen(function* () {
      const pool = yield* makePool({ name: "words" })
      const cells = makeCells()
      const marked = yield* pool.spawn("Mark", { cells })
      yield* whenSet(cells, Cell.begun)
      yield* pool.spawn("Wait", { lease: "first" })
      yield* pool.spawn("Wait", { lease: "second" })
      expect(yield* pool.cancelQueued()).toBe(2)
      const dropped = yield* pool.spawn("Add", { a: 1, b: 2 })
      const draining = yield* Effect.forkChild(pool.drain({ queued: "drop" }), { startImmediately: true })
      yield* Thread.await(dropped)
      yield* Thread.interrupt(marked)
      yield* Fiber.join(draining)
      const shown = Object.entries(yield* numbers).filter(([name]) => /_(?:completed|cancelled)_total/.test(name))
      expect(Object.fromEntries(shown)).toEqual({
        "tasks_cancelled_total pool=words task=Wait rung=interrupt": 2,
        "tasks_cancelled_total pool=words task=Add rung=interrupt": 1,
        "tasks_cancelled_total pool=words task=Mark rung=interrupt": 1
      })
    }).pipe(Effect.scoped, Effect.provide(WorkerPoolMetrics.layer), metered))

  it("counts calls that left while they waited for room, and their time until a worker took them", () =>
    Effect.gen(function* () {
      const pool = yield* makePool({ name: "words", size: 1, queue: { bound: 0, whenFull: "wait" } })
      const cells = makeCells()
      const marked = yield* pool.spawn("Mark", { cells })
      yield* whenSet(cells, Cell.begun)
      const call = () => Effect.forkChild(pool.execute("Add", { a: 1, b: 2 }), { startImmediately: true })
      const fork = Effect.all([call(), call(), call()])
      const [interrupted, cancelled] = yield* fork
      expect(yield* numbers).toMatchObject({ "tasks_queued pool=words": 3 })
      yield* Fiber.interrupt(interrupted)
      expect(yield* pool.cancelQueued()).toBe(2)
      yield* Fiber.await(cancelled)
      const admitted = yield* call()
      const since = performance.now()
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      const waited = performance.now() - since
      yield* Thread.interrupt(marked)
      expect(yield* Fiber.join(admitted)).toBe(3)
      const shown = Object.entries(yield* numbers).filter(([name]) => /_(?:completed|cancelled)_total/.test(name))
      expect(Object.fromEntries(shown)).toEqual({
        "tasks_cancelled_total pool=words task=Add rung=interrupt": 3,
        "tasks_cancelled_total pool=words task=Mark rung=interrupt": 1,
        "tasks_completed_total pool=words task=Add result=succeeded": 1
      })
      const [time] = (yield* Metric.snapshot).filter(
        ({ attributes, id }) => id === "quiesce_pool_task_waiting_seconds" && attributes?.["task"] === "Add"
      )
      expect((time!.state as { readonly sum: number }).sum).toBeGreaterThanOrEqual(waited / 1000)
    }).pipe(Effect.scoped, Effect.provide(WorkerPoolMetrics.layer), metered))

  it("counts a task that its limit has ended as cancelled, by the rung that ended it", () =>
    Effect.gen(function* () {
      const pool = yield* makePool({ name: "words" })
      const runWithin = "20 millis"
      yield* Effect.flip(pool.execute("Wait", { lease: "page" }, { runWithin }))
      const spun = yield* pool.spawn(
        "Spin",
        { cells: makeCells(), lease: "page" },
        { runWithin, escalation: { kill: "1 minute" } }
      )
      expect(yield* Effect.flip(Thread.join(spun))).toMatchObject({ _tag: "DeadlineExceeded" })
      const shown = Object.entries(yield* numbers).filter(([name]) => /_(?:completed|cancelled)_total/.test(name))
      expect(Object.fromEntries(shown)).toEqual({
        "tasks_cancelled_total pool=words task=Wait rung=interrupt": 1,
        "tasks_cancelled_total pool=words task=Spin rung=kill": 1
      })
    }).pipe(Effect.scoped, Effect.provide(WorkerPoolMetrics.layer), metered))

  it("counts a call as cancelled if its token has noticed the limit", () =>
    Effect.gen(function* () {
      const url = "data:text/javascript,export default (_, { token }) => { for (;;) token.check() }"
      const pool = Task.createTaskPool<{ readonly default: () => void }>(url, { size: 1, runWithin: "20 millis" })
      for (let i = 0; i < 10; i++) yield* Effect.promise(() => pool.run().catch(() => {}))
      const shown = Object.entries(yield* numbers).filter(([name]) => /_(?:completed|cancelled)_total/.test(name))
      expect(shown).toEqual([[expect.stringMatching(/rung=interrupt$/), 10]])
      yield* Effect.promise(() => pool[Symbol.asyncDispose]())
    }).pipe(Effect.provide(WorkerPoolMetrics.layer), metered))

  it("counts pools of one name together, and hides the gauges of a closed pool", () =>
    Effect.gen(function* () {
      const both = Effect.andThen(makePool(), makePool({ size: 2 }))
      const inside = yield* Effect.scoped(Effect.andThen(both, numbers))
      const workers = ["starting", "idle", "busy"].map((state) => inside[`workers pool=pool state=${state}`]!)
      expect(workers.reduce((sum, count) => sum + count)).toBe(3)
      expect(yield* numbers).toEqual({})
    }).pipe(Effect.provide(WorkerPoolMetrics.layer), metered))

  it("counts a pool that is older than the layer, and nothing after the layer's end", () =>
    Effect.gen(function* () {
      const pool = yield* makePool()
      const inside = Effect.andThen(pool.execute("Add", { a: 1, b: 2 }), numbers)
      expect(yield* Effect.provide(inside, WorkerPoolMetrics.layer)).toMatchObject({
        "workers pool=pool state=idle": 1,
        "tasks_completed_total pool=pool task=Add result=succeeded": 1
      })
      expect(yield* numbers).toEqual({})
    }).pipe(Effect.scoped, metered))

  it("counts the calls of a pool of plain functions", () =>
    Effect.gen(function* () {
      const square = new URL("./fixtures/plain-square.ts", import.meta.url)
      const pool = Task.createTaskPool<{ readonly default: (of: number) => number }>(square, { size: 1 })
      expect(yield* Effect.promise(() => pool.run(3))).toBe(9)
      const shown = Object.entries(yield* numbers)
      expect(shown.filter(([name]) => name.startsWith("tasks_completed_total"))).toEqual([
        [expect.stringMatching(/result=succeeded$/), 1]
      ])
      yield* Effect.promise(() => pool[Symbol.asyncDispose]())
    }).pipe(Effect.provide(WorkerPoolMetrics.layer), metered))
})
