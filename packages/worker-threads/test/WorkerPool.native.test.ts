import { Thread } from "@quiesce/core"
import { once } from "node:events"
import { Worker } from "node:worker_threads"
import { Effect, Exit, Fiber, Logger } from "effect"
import { describe, expect, it } from "vitest"
import { makeCells } from "./fixtures/contract.ts"
import { makeFifo } from "./fixtures/fifo.ts"
import { makePool } from "./support.ts"

const url = new URL("./fixtures/tasks.worker.ts", import.meta.url)

/** The warnings of the process from now on. */
const warningsOf = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const warnings: Array<Error> = []
      const note = (warning: Error) => void warnings.push(warning)
      process.on("warning", note)
      return { warnings, note }
    }),
    ({ note }) => Effect.sync(() => process.off("warning", note))
  ),
  ({ warnings }) => warnings
)

describe.skipIf(process.platform === "win32")("a pool whose workers are all in native code", () => {
  it("replaces them when their tasks are abandoned, and each ends when its native call returns", () =>
    Effect.gen(function* () {
      const warnings = yield* warningsOf
      const workers: Array<Worker> = []
      const spawn = (options: ConstructorParameters<typeof Worker>[1]) => {
        const worker = new Worker(url, options)
        workers.push(worker)
        return worker
      }
      const pool = yield* makePool({ spawn, size: 2 })
      const hog = Effect.gen(function* () {
        const fifo = yield* makeFifo
        const thread = yield* pool.spawn("Native", { cells: makeCells(), fifo: fifo.path })
        yield* fifo.whenRead
        return { thread, fifo }
      })
      const hogs = [yield* hog, yield* hog]
      const stuck = workers.slice(0, 2)
      const exits = stuck.map((worker) => once(worker, "exit"))
      const reports = yield* Effect.forEach(
        hogs,
        ({ thread }) => Thread.shutdown(thread, { escalation: { interrupt: "20 millis", kill: "20 millis" } }),
        { concurrency: 2 }
      )
      expect(reports.map(({ ending }) => ending._tag)).toEqual(["Abandoned", "Abandoned"])
      expect(yield* pool.status).toEqual({ workers: 2, retiring: 0, missing: 0, running: 0, queued: 0, min: 2, max: 2 })
      expect(yield* pool.execute("Add", { a: 1, b: 2 })).toBe(3)
      expect(stuck.every((worker) => worker.threadId > 0)).toBe(true)
      yield* Effect.forEach(hogs, ({ fifo }) => fifo.end)
      yield* Effect.promise(() => Promise.all(exits))
      expect(yield* pool.status).toEqual({ workers: 2, retiring: 0, missing: 0, running: 0, queued: 0, min: 2, max: 2 })
      expect(yield* pool.execute("Add", { a: 3, b: 4 })).toBe(7)
      expect(workers.length).toBe(4)
      expect(warnings.length).toBeLessThanOrEqual(1)
    }).pipe(Effect.scoped, Effect.runPromise))

  it("fails a call that is abandoned at its limit with DeadlineExceeded, and logs that the call may still run", () =>
    Effect.gen(function* () {
      const logs: Array<string> = []
      const collecting = Logger.layer([Logger.make(({ message }) => void logs.push(String(message)))])
      const fifo = yield* makeFifo
      const escalation = { interrupt: "20 millis", kill: "20 millis" } as const
      const pool = yield* makePool({ escalation })
      const native = { cells: makeCells(), fifo: fifo.path }
      const call = pool.execute("Native", native, { runWithin: "1 second" })
      const calling = yield* Effect.forkChild(Effect.exit(Effect.provide(call, collecting)))
      yield* fifo.whenRead
      const exit = yield* Fiber.join(calling)
      expect(Exit.isFailure(exit) && exit.cause.reasons).toMatchObject([
        {
          _tag: "Fail",
          error: { _tag: "DeadlineExceeded", millis: 1000, suppressed: [] }
        }
      ])
      expect(yield* pool.execute("Add", { a: 1, b: 2 })).toBe(3)
      expect(logs).toEqual([
        expect.stringMatching(/^Thread "Native" did not end in time .* was abandoned; it may still run\. .* deadline/)
      ])
    }).pipe(Effect.scoped, Effect.runPromise))

  it("can't be made if its workers are in native code before they are ready", () =>
    Effect.gen(function* () {
      const fifo = yield* makeFifo
      const code = `require("node:child_process").execFileSync("cat", [${JSON.stringify(fifo.path)}])`
      const spawn = (options: ConstructorParameters<typeof Worker>[1]) => new Worker(code, { ...options, eval: true })
      const { reason } = yield* Effect.flip(makePool({ spawn, startWithin: "50 millis" }))
      expect(reason).toMatchObject({ _tag: "SpawnFailed", attempts: 5 })
    }).pipe(Effect.scoped, Effect.runPromise))
})
