/**
 * Metrics of threads, leases and pools, served by Effect's own Prometheus layer.
 *
 *     node examples/09-metrics/main.ts
 *
 * A pool runs three tasks to their end, and one task is cancelled. The program then reads the route `/metrics`, as
 * Prometheus would, while a further task runs, and prints a selection.
 */
import { Worker, type WorkerOptions } from "node:worker_threads"
import { Thread } from "@quiesce/core"
import * as ThreadMetrics from "@quiesce/core/ThreadMetrics"
import { Main } from "@quiesce/process"
import { WorkerPool, WorkerPoolMetrics } from "@quiesce/worker-threads"
import { Console, Effect, Layer, Schedule } from "effect"
import { HttpRouter } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { Tasks } from "./contract.ts"

const webHandler = Effect.acquireRelease(
  Effect.sync(() => HttpRouter.toWebHandler(PrometheusMetrics.layerHttp(), { disableLogger: true })),
  ({ dispose }) => Effect.promise(dispose)
)

/** The time of a task differs from run to run, so only the numbers of tasks and threads are shown. */
const isShown = (line: string): boolean =>
  line.startsWith("quiesce_") && !/_bucket|_sum|state="(starting|ending)"/.test(line)

/** Reads the route until the worker has reported the lease of the task. */
const untilHeld = Effect.gen(function* () {
  const { handler } = yield* webHandler
  const scrape = Effect.promise(async () => (await handler(new Request("http://localhost/metrics"))).text())
  return yield* Effect.repeat(scrape, {
    until: (text) => text.includes('quiesce_leases_held{name="file"} 1'),
    schedule: Schedule.spaced("10 millis")
  })
})

const spawn = (options: WorkerOptions) => new Worker(new URL("./tasks.worker.ts", import.meta.url), options)

const program = Effect.gen(function* () {
  const pool = yield* WorkerPool.make(Tasks, { spawn, size: 1, name: "squares" })
  for (const side of [1, 2, 3]) yield* pool.execute("Square", { of: side })
  yield* Effect.flatMap(pool.spawn("Wait", undefined), Thread.interrupt)
  yield* pool.spawn("Wait", undefined)
  const text = yield* untilHeld
  for (const line of text.split("\n").filter(isShown).toSorted()) yield* Console.log(line)
})

program.pipe(Effect.scoped, Effect.provide(Layer.merge(ThreadMetrics.layer, WorkerPoolMetrics.layer)), Main.run)
