/**
 * The user's `spawn`. A misuse is refused at once, with the remedy, and a worker that can't serve reports the reason.
 */
import { Thread } from "@quiesce/core"
import { Leaks } from "@quiesce/testing"
import { WorkerError, WorkerPool } from "@quiesce/worker-threads"
import { Cause, Effect, Exit, Fiber } from "effect"
import { Worker, type WorkerOptions } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import { handshakeKey, protocol } from "../src/internal/wire/handshake.ts"
import { Cell } from "./fixtures/cells.ts"
import { makeCells, Tasks } from "./fixtures/contract.ts"
import { whenSet } from "./support.ts"

const url = new URL("./fixtures/tasks.worker.ts", import.meta.url)

/** The error of a pool, and the number of workers that the pool has tried to start. */
const refusal = async (spawn: (options: WorkerOptions) => unknown, { isClean = true, min = 2 } = {}) => {
  let attempts = 0
  const making = WorkerPool.make(Tasks, {
    spawn: (options) => {
      attempts++
      // The type of the option forbids the misuse, and JavaScript does not.
      return spawn(options) as Worker
    },
    size: { min, max: 2 }
  })
  const using = Effect.scoped(Effect.flatMap(making, (pool) => pool.execute("Add", { a: 1, b: 2 })))
  const failing = Effect.flip(using)
  // Node itself leaves a resource of a Worker whose constructor throws.
  const error = await Effect.runPromise(isClean ? Leaks.none(failing, { within: "30 seconds" }) : failing)
  expect(error).toBeInstanceOf(WorkerError.WorkerError)
  return { attempts, error: error }
}

describe("a spawn that does not pass on", () => {
  const misuses = {
    "its options": [() => new Worker(url), "without options.workerData"],
    "workerData, in favour of data of its own": [
      (options: WorkerOptions) => new Worker(url, { ...options, workerData: { mine: 1 } }),
      "workerData: { ...options.workerData, mine }"
    ],
    transferList: [
      ({ transferList: _, ...options }: WorkerOptions) => new Worker(url, options),
      "without options.transferList"
    ],
    "a Worker": [() => ({}), "not a Worker"]
  } as const

  it.each(Object.entries(misuses))("%s is refused at the first attempt, with the remedy", async (_, [spawn, text]) => {
    const { attempts, error } = await refusal(spawn, { isClean: !text.includes("transferList") })
    expect(attempts).toBe(1)
    expect(error.reason).toMatchObject({ _tag: "InvalidOption", option: "spawn" })
    expect(error.message).toContain(text)
  })

  it("its options fails the first task of a pool that starts its workers on demand", async () => {
    const { attempts, error } = await refusal(() => new Worker(url), { min: 0 })
    expect(attempts).toBe(1)
    expect(error.reason._tag).toBe("InvalidOption")
  })
})

it("a spawn may add data of its own to workerData", async () => {
  const making = WorkerPool.make(Tasks, {
    spawn: (options) => new Worker(url, { ...options, workerData: { ...options.workerData, mine: 1 } }),
    size: 1
  })
  const added = Effect.scoped(Effect.flatMap(making, (pool) => pool.execute("Add", { a: 3, b: 5 })))
  expect(await Effect.runPromise(added)).toBe(8)
})

it("a worker with another version of the toolkit reports that, and names both copies", async () => {
  const { error } = await refusal((options) => {
    const handshake = options.workerData[handshakeKey]
    return new Worker(url, { ...options, workerData: { [handshakeKey]: { ...handshake, protocol: protocol + 1 } } })
  })
  expect(error.reason._tag).toBe("SpawnFailed")
  expect(error.message).toContain("load different versions of @quiesce/worker-threads: file://")
})

describe("WorkerExited", () => {
  it("has the error that ended the worker as its cause, and no stack in its message", async () => {
    const crashing = WorkerPool.make(Tasks, { spawn: (options) => new Worker(url, options), size: 1 }).pipe(
      Effect.flatMap((pool) => pool.execute("Crash", undefined)),
      Effect.scoped
    )
    const exit = await Effect.runPromise(Effect.exit(crashing))
    const error = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error : undefined
    expect(error).toMatchObject({ reason: { _tag: "WorkerExited" } })
    expect(error!.message).not.toMatch(/\n|\bat .+:\d+/)
    expect((error!.cause as Error).stack).toContain("tasks.worker.ts")
  })

  it("names to the neighbour of a killed task the task that was to end, and the reason", async () => {
    const program = Effect.gen(function* () {
      const pool = yield* WorkerPool.make(Tasks, {
        spawn: (options) => new Worker(url, options),
        size: 1,
        concurrency: 2
      })
      const [cells, others] = [makeCells(), makeCells()]
      const neighbour = yield* Effect.forkChild(pool.execute("Mark", { cells: others }))
      yield* whenSet(others, Cell.begun)
      const hog = yield* pool.spawn("Spin", { cells, lease: "lock file" }, { name: "the hog" })
      yield* whenSet(cells, Cell.begun)
      yield* Thread.shutdown(hog, { escalation: { kill: "10 seconds" } })
      return yield* Fiber.await(neighbour)
    })
    const exit = await Effect.runPromise(Effect.scoped(program))
    expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain('it was killed to end "the hog"')
  })
})
