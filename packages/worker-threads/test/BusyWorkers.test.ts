import { Thread } from "@quiesce/core"
import { Task, WorkerError, WorkerPoolMetrics } from "@quiesce/worker-threads"
import { Deferred, Effect, Logger, Metric, References } from "effect"
import { describe, expect, it } from "vitest"
import { makeCells } from "./fixtures/contract.ts"
import { makeFifo } from "./fixtures/fifo.ts"
import { makePool } from "./support.ts"

interface Entry {
  readonly level: string
  readonly message: string
  readonly annotations: Readonly<Record<string, unknown>>
}

/** The first entry of a logger, and the layer of that logger. */
const logger = () => {
  const entry = Deferred.makeUnsafe<Entry>()
  const collecting = Logger.make(({ fiber, logLevel, message }) => {
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    Deferred.doneUnsafe(entry, Effect.succeed({ level: logLevel, message: String(message), annotations }))
  })
  return { entry: Deferred.await(entry), layer: Logger.layer([collecting]) }
}

const blocked: Effect.Effect<unknown> = Effect.map(Metric.snapshot, (all) => {
  const gauge = all.find(({ id }) => id === "quiesce_pool_workers_blocked")
  return (gauge?.state as { readonly value: number } | undefined)?.value
})

const busy = { after: "100 millis" } as const

describe("the option busy of a pool", () => {
  it("logs a warning with the stack of a worker in a loop, and counts the worker as busy until the loop ends", () => {
    const { entry, layer } = logger()
    return Effect.gen(function* () {
      const pool = yield* makePool({ busy })
      const cells = makeCells()
      const thread = yield* pool.spawn("Hog", { cells }, { name: "page 7" })
      const { annotations, level, message } = yield* entry
      expect(level).toBe("Warn")
      expect(message).toMatch(
        new RegExp(
          `^The worker "${String(annotations["thread.name"])}" has taken no message for .* seconds. It runs "page 7":\n`
        )
      )
      expect(message).toContain("tasks.worker.ts:")
      expect(yield* blocked).toBe(1)
      yield* Thread.interrupt(thread)
      expect(yield* pool.execute("Add", { a: 1, b: 2 })).toBe(3)
      yield* Effect.repeat(blocked, { until: (count) => count === 0 })
    }).pipe(
      Effect.scoped,
      Effect.provide([layer, WorkerPoolMetrics.layer]),
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.runPromise
    )
  })

  it.skipIf(process.platform === "win32")("reports that a worker in native code has no stack", () => {
    const { entry, layer } = logger()
    return Effect.gen(function* () {
      const fifo = yield* makeFifo
      const pool = yield* makePool({ busy })
      const thread = yield* pool.spawn("Native", { cells: makeCells(), fifo: fifo.path })
      yield* fifo.whenRead
      expect((yield* entry).message).toContain("It has no stack that could be read, because it is in native code")
      yield* fifo.end
      yield* Thread.join(thread)
    }).pipe(Effect.scoped, Effect.provide(layer), Effect.runPromise)
  })

  type Plain = typeof import("./fixtures/plain-pool.ts")
  const url = new URL("./fixtures/plain-pool.ts", import.meta.url)

  it("calls onBusy of a plain pool with the stack of the function", async () => {
    const named = Promise.withResolvers<Task.BusyWorker>()
    await using pool = Task.createTaskPool<Plain>(url, { size: 1, busy: { ...busy, onBusy: named.resolve } })
    const controller = new AbortController()
    const spinning = pool.run({ how: "spin" }, { name: "spin", signal: controller.signal })
    const { message, stack, tasks } = await named.promise
    controller.abort()
    await expect(spinning).rejects.toBe(controller.signal.reason)
    expect(tasks).toEqual(["spin"])
    expect(stack).toContain("plain-pool.ts:")
    expect(message).toContain(stack)
  })

  it("is refused by name without a time, and with a listener that is no function", async () => {
    for (const [given, option] of [
      [{}, "busy.after"],
      ["1 minute", "busy"],
      [{ after: NaN }, "busy.after"],
      [{ after: "1 second", onBusy: 1 }, "busy.onBusy"]
    ] as const) {
      const pool = Task.createTaskPool<Plain>(url, { size: { min: 0, max: 1 }, busy: given as never })
      const error: unknown = await pool.run({ how: "thread" }).catch((error: unknown) => error)
      expect(WorkerError.isWorkerError(error) && error.reason).toMatchObject({ _tag: "InvalidOption", option })
    }
  })
})
