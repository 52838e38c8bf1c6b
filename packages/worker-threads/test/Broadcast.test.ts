/** Pools of both kinds run a task once on each worker. */
import { Task, WorkerError } from "@quiesce/worker-threads"
import { Cause, Effect, Exit, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { Cell } from "./fixtures/cells.ts"
import { makeCells } from "./fixtures/contract.ts"
import { makePool, whenSet } from "./support.ts"

type Plain = typeof import("./fixtures/plain-pool.ts")
const url = new URL("./fixtures/plain-pool.ts", import.meta.url)

const reasonOf = (error: unknown): string | undefined =>
  WorkerError.isWorkerError(error) ? error.reason._tag : undefined

describe("createTaskPool: broadcast", () => {
  it("calls the function once on each worker", async () => {
    await using pool = Task.createTaskPool<Plain>(url, { size: 3 })
    const results = await pool.broadcast({ how: "thread" })
    expect(new Set(results.map((result) => result.status === "fulfilled" && result.value)).size).toBe(3)
  })

  it("ends all calls and rejects with the reason after an abort, and refuses bad options and a closed pool", async () => {
    const pool = Task.createTaskPool<Plain>(url, { size: 2 })
    const [cells, controller, reason] = [makeCells(), new AbortController(), new Error("enough")]
    const results = pool.broadcast({ how: "wait", cells }, { signal: controller.signal })
    await Effect.runPromise(whenSet(cells, Cell.begun))
    controller.abort(reason)
    await expect(results).rejects.toBe(reason)
    expect(pool.status).toMatchObject({ running: 0, queued: 0 })
    for (const options of [{ transfer: [] }, { runWithin: -1 }]) {
      await expect(pool.broadcast({ how: "thread" }, options as never)).rejects.toSatisfy(
        (error) => reasonOf(error) === "InvalidOption"
      )
    }
    await pool.drain()
    await expect(pool.broadcast({ how: "thread" })).rejects.toSatisfy((error) => reasonOf(error) === "PoolClosed")
  })
})

describe("WorkerPool: broadcast", () => {
  it("returns an exit for each worker, and a failure for each worker that dies", () =>
    Effect.gen(function* () {
      const pool = yield* makePool({ size: 2 })
      expect(yield* pool.broadcast("Add", { a: 1, b: 2 })).toEqual([Exit.succeed(3), Exit.succeed(3)])
      const exits = yield* pool.broadcast("Exit", { code: 3 })
      expect(exits.map((exit) => Exit.isFailure(exit) && reasonOf(Cause.squash(exit.cause)))).toEqual([
        "WorkerExited",
        "WorkerExited"
      ])
    }).pipe(Effect.scoped, Effect.runPromise))

  it("ends the tasks on all workers after an interrupt, and dies of an unknown task and of a stream", () =>
    Effect.gen(function* () {
      const pool = yield* makePool({ size: 2 })
      const cells = makeCells()
      const fiber = yield* Effect.forkChild(pool.broadcast("Mark", { cells }), { startImmediately: true })
      yield* whenSet(cells, Cell.begun)
      yield* Fiber.interrupt(fiber)
      expect(yield* pool.status).toMatchObject({ workers: 2, running: 0, queued: 0 })
      for (const tag of ["Nothing", "Count"]) {
        const exit = yield* Effect.exit(pool.broadcast(tag as "Hop"))
        const defect = Exit.isFailure(exit) && exit.cause.reasons.find(Cause.isDieReason)?.defect
        expect(reasonOf(defect)).toBe(tag === "Count" ? "WrongKind" : "UnknownTask")
      }
    }).pipe(Effect.scoped, Effect.runPromise))
})
