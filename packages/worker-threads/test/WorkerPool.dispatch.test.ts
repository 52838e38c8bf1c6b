import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { Thread } from "@quiesce/core"
import { WorkerError, type WorkerPool } from "@quiesce/worker-threads"
import { Cause, Effect, Exit, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { makeCells } from "./fixtures/contract.ts"
import { expected, hogAmongOthers, type Pool } from "./fixtures/dispatch-scenarios.ts"
import { makePool, whenSet } from "./support.ts"
import { Cell } from "./fixtures/cells.ts"
import { noOlderNode, olderNode } from "./olderNode.ts"

const withPool =
  (f: (pool: Pool) => Effect.Effect<void, unknown>, options?: Partial<WorkerPool.Options>) => (): Promise<void> =>
    Effect.runPromise(Effect.scoped(Effect.flatMap(makePool({ concurrency: 64, ...options }), f)))

const problemOf = (exit: Exit.Exit<unknown, unknown>): string | undefined => {
  const failure = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error : undefined
  return failure instanceof WorkerError.WorkerError ? failure.reason._tag : undefined
}

describe("many tasks at once", () => {
  for (const hog of ["Spin", "Hog"] as const) {
    it(
      `${hog}, ended by force, delays no result of earlier tasks and ends no later task`,
      withPool((pool) =>
        Effect.gen(function* () {
          for (let round = 0; round < 5; round++) expect(yield* hogAmongOthers(pool, hog)).toEqual(expected)
          expect(yield* pool.status).toMatchObject({ workers: 1, running: 0, queued: 0 })
        })
      )
    )
  }

  it.for(["node-22", "node-24"])(
    "have the same results on %s, and the process ends by itself",
    async (version, { skip }) => {
      const binary = olderNode(version)
      if (binary === undefined) return skip(noOlderNode)
      const script = fileURLToPath(new URL("./fixtures/dispatch-main.ts", import.meta.url))
      const { stdout } = await promisify(execFile)(binary, [script, "3"])
      expect(JSON.parse(stdout)).toEqual({ outcomes: Array.from({ length: 6 }, () => expected), workers: 1 })
    }
  )

  it(
    "each return their own value, for each way in which values are sent",
    withPool((pool) =>
      Effect.gen(function* () {
        const circle: Array<unknown> = []
        circle.push(circle)
        const values = [
          [0, -0, NaN, 2 ** 40, "", "häßlich 🧵", "x".repeat(2_000), null, undefined, true, 10n],
          [[], [1, [2]], { a: { b: "c" } }, new Date(7), new Map([[1, 2]]), new Uint8Array(9), circle],
          [Array.from({ length: 5_000 }, (_, index) => index)]
        ].flat(1)
        for (let round = 0; round < 20; round++) {
          const echoes = yield* Effect.forEach(values, (value) => pool.execute("Echo", { value }), {
            concurrency: "unbounded"
          })
          expect(echoes).toEqual(values)
        }
      })
    )
  )

  it(
    "all arrive, also if the ring has no room for them",
    withPool(
      (pool) =>
        Effect.gen(function* () {
          const cells = makeCells()
          const spin = yield* Effect.forkChild(pool.execute("Poll", { cells }), { startImmediately: true })
          yield* whenSet(cells, Cell.begun)
          const texts = Array.from({ length: 400 }, (_, index) => `${index} `.repeat(80))
          const echoes = yield* Effect.forkChild(
            Effect.forEach(texts, (value) => pool.execute("Echo", { value }), { concurrency: "unbounded" }),
            { startImmediately: true }
          )
          yield* Effect.yieldNow
          yield* Fiber.interrupt(spin)
          expect(yield* Fiber.join(echoes)).toEqual(texts)
        }),
      { concurrency: 512 }
    )
  )

  it(
    "end when they are interrupted in the turn in which they were started, and later tasks are right",
    withPool((pool) =>
      Effect.gen(function* () {
        for (let round = 0; round < 20; round++) {
          const cells = makeCells()
          const fibers = yield* Effect.forEach(
            Array.from({ length: 32 }, (_, index) => index),
            (index) => {
              const task: Effect.Effect<unknown, unknown> =
                index % 2 === 0 ? pool.execute("Mark", { cells }) : pool.execute("Add", { a: 1, b: 1 })
              return Effect.forkChild(task, { startImmediately: true })
            }
          )
          yield* Effect.forEach(fibers, Fiber.interrupt, { discard: true })
          expect(yield* pool.execute("Add", { a: round, b: 1 })).toBe(round + 1)
          expect((yield* pool.status).running).toBe(0)
        }
      })
    )
  )

  it(
    "of a worker that exits keep the values of the ended tasks, and fail the others with WorkerExited",
    withPool((pool) =>
      Effect.gen(function* () {
        const before = yield* Effect.forEach([1, 2, 3], (a) =>
          Effect.forkChild(pool.execute("Add", { a, b: 0 }), { startImmediately: true })
        )
        const exiting = yield* Effect.forkChild(pool.execute("Exit", { code: 3 }), { startImmediately: true })
        const behind = yield* Effect.forkChild(pool.execute("Add", { a: 4, b: 0 }), { startImmediately: true })
        expect(yield* Effect.forEach(before, Fiber.join)).toEqual([1, 2, 3])
        expect(problemOf(yield* Fiber.await(exiting))).toBe("WorkerExited")
        expect(problemOf(yield* Fiber.await(behind))).toBe("WorkerExited")
        expect(yield* pool.execute("Add", { a: 1, b: 1 })).toBe(2)
      })
    )
  )

  it(
    "end with a worker that writes data outside the protocol into shared memory",
    withPool((pool) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(pool.execute("Scribble", undefined))
        expect(problemOf(exit)).toBe("WorkerExited")
        expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("data outside the protocol")
        expect(yield* pool.execute("Add", { a: 1, b: 1 })).toBe(2)
      })
    )
  )
})

describe("execute", () => {
  it(
    "is a thread below the caller's thread, and ends with it",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const cells = makeCells()
          const parent = yield* Thread.spawn(pool.execute("Mark", { cells }), { name: "parent" })
          yield* whenSet(cells, Cell.begun)
          yield* Thread.interrupt(parent)
          expect(Atomics.load(cells, Cell.cleanedUp)).toBe(1)
          expect(Exit.hasInterrupts(yield* Thread.await(parent))).toBe(true)
        })
      )
    )
  )
})
