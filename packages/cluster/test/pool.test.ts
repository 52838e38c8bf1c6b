/** A runner that runs its bodies in a worker pool. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { ClusterRunner, ClusterThreads } from "@quiesce/cluster"
import type { WorkerPool } from "@quiesce/worker-threads"
import { Thread } from "@quiesce/core"
import { Effect, Exit, Layer } from "effect"
import { afterAll, expect, it } from "vitest"
import { events } from "./fixtures/eventLog.ts"
import { ExitTasks } from "./fixtures/exitTasks.ts"
import { Flush, Tasks } from "./fixtures/tasks.ts"
import { storeOf } from "./fixtures/store.ts"

const folder = mkdtempSync(join(tmpdir(), "quiesce-cluster-pool-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const poolOf = (file: string): WorkerPool.Options => ({
  spawn: (options) => new Worker(new URL(file, import.meta.url), options),
  size: 1
})

const pool = poolOf("./fixtures/pool.worker.ts")

const cluster = ClusterRunner.embedded(Tasks, { pool }).pipe(Layer.provideMerge(storeOf(join(folder, "threads.db"))))

it("a busy loop is ended, its finalizers run, and the runner survives", async () => {
  const file = join(folder, "log")
  const { report, sum } = await Effect.gen(function* () {
    const threads = yield* ClusterThreads.make(Tasks)
    const thread = yield* threads.spawn("Spin", { file })
    while (!events(file).includes("spin")) yield* Effect.sleep(5)
    const report = yield* Thread.shutdown(thread, {
      escalation: { interrupt: "100 millis", unwind: "1 minute", kill: "1 minute" }
    })
    const sum = yield* Effect.flatMap(threads.spawn("Add", { a: 1, b: 2 }), Thread.join)
    return { report, sum }
  }).pipe(Effect.scoped, Effect.provide(cluster), Effect.runPromise)
  expect(report).toMatchObject({ rung: "unwind", ending: { _tag: "Interrupted" }, released: [{ lease: "page" }] })
  expect(events(file)).toEqual(["spin", "released"])
  expect(sum).toBe(3)
})

it("a raised error reaches a body in a worker", async () => {
  const [isDelivered, part] = await Effect.gen(function* () {
    const threads = yield* ClusterThreads.make(Tasks)
    const thread = yield* threads.spawn("Receive")
    return yield* Effect.all([Thread.raise(thread, new Flush({ part: 7 })), Thread.join(thread)])
  }).pipe(Effect.scoped, Effect.provide(cluster), Effect.runPromise)
  expect([isDelivered, part]).toEqual([true, 7])
})

it("a thread whose worker exits dies with the error of the pool", async () => {
  const cluster = ClusterRunner.embedded(ExitTasks, { pool: poolOf("./fixtures/exit.worker.ts") })
  const exit = await Effect.gen(function* () {
    const threads = yield* ClusterThreads.make(ExitTasks)
    return yield* Effect.flatMap(threads.spawn("Exit"), Thread.await)
  }).pipe(
    Effect.scoped,
    Effect.provide(cluster.pipe(Layer.provideMerge(storeOf(join(folder, "exits.db"))))),
    Effect.runPromise
  )
  expect(Exit.isFailure(exit) && exit.cause.reasons).toEqual([
    expect.objectContaining({
      _tag: "Die",
      defect: expect.objectContaining({ name: "WorkerError", message: expect.stringContaining("with code 3") })
    })
  ])
})
