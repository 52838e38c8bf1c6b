/** The queue of a pool with a contract, its drain, and limits that count from the start of the run. */
import { CancelReason, ForcedEnd, Thread } from "@quiesce/core"
import { WorkerError, type WorkerPool } from "@quiesce/worker-threads"
import { Cause, Effect, Exit, Fiber, Option } from "effect"
import { describe, expect, it } from "vitest"
import { Cell } from "./fixtures/cells.ts"
import { makeCells } from "./fixtures/contract.ts"
import { makePool, whenSet } from "./support.ts"

type Pool = Effect.Success<ReturnType<typeof makePool>>

const withPool =
  (f: (pool: Pool) => Effect.Effect<void, unknown>, options?: Partial<WorkerPool.Options>) => (): Promise<void> =>
    Effect.runPromise(Effect.scoped(Effect.flatMap(makePool(options), f)))

/** A task that holds the worker until it is interrupted. */
const occupied = (pool: Pool) =>
  Effect.gen(function* () {
    const cells = makeCells()
    const fiber = yield* Effect.forkChild(pool.execute("Mark", { cells }), { startImmediately: true })
    yield* whenSet(cells, Cell.begun)
    return fiber
  })

const start = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })

const optionOf = (exit: Exit.Exit<unknown, unknown>): string | undefined => {
  const defect = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isDieReason)?.defect : undefined
  return WorkerError.isWorkerError(defect) && defect.reason._tag === "InvalidOption" ? defect.reason.option : undefined
}

describe("runWithin", () => {
  for (const task of ["Hog", "Spin", "Mark"] as const) {
    it(
      `fails the call with DeadlineExceeded, and the worker survives: ${task}`,
      withPool((pool) =>
        Effect.gen(function* () {
          const payload = { cells: makeCells(), lease: "spun" }
          const error = yield* Effect.flip(pool.execute(task, payload, { runWithin: "50 millis" }))
          expect(error).toMatchObject({ _tag: "DeadlineExceeded", millis: 50, suppressed: [] })
          expect(yield* pool.execute("Add", { a: 1, b: 2 })).toBe(3)
          expect(yield* pool.status).toMatchObject({ workers: 1, running: 0 })
        })
      )
    )
  }

  it(
    "does not count the time in the queue",
    withPool((pool) =>
      Effect.gen(function* () {
        const first = yield* occupied(pool)
        const late = yield* start(pool.execute("Add", { a: 1, b: 2 }, { runWithin: "20 seconds" }))
        // The deadline begins when a worker takes the task.
        expect((yield* pool.queued).map(({ name }) => name)).toEqual(["Add"])
        yield* Fiber.interrupt(first)
        expect(yield* Fiber.join(late)).toBe(3)
      })
    )
  )

  it(
    "as an option of the pool applies to each call without a limit of its own",
    withPool(
      (pool) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(pool.execute("Mark", { cells: makeCells() }))
          expect(error).toMatchObject({ _tag: "DeadlineExceeded", millis: 40 })
          const thread = yield* Effect.scoped(
            Effect.flatMap(pool.spawn("Mark", { cells: makeCells() }, { runWithin: 30 }), (spawned) =>
              Effect.flip(Thread.join(spawned))
            )
          )
          expect(thread).toMatchObject({ _tag: "DeadlineExceeded", millis: 30 })
        }),
      { runWithin: "40 millis" }
    )
  )

  it(
    "does not change the reason of an interruption by the caller",
    withPool((pool) =>
      Effect.gen(function* () {
        const cells = makeCells()
        const thread = yield* pool.spawn("Mark", { cells }, { runWithin: "1 minute" })
        yield* whenSet(cells, Cell.begun)
        yield* Thread.interrupt(thread, { reason: CancelReason.interrupted({ message: "enough" }) })
        const exit = yield* Thread.await(thread)
        expect(Exit.isFailure(exit) && Exit.hasInterrupts(exit)).toBe(true)
        expect(Option.getOrThrow(CancelReason.fromExit(exit)).message).toBe("enough")
      }).pipe(Effect.scoped)
    )
  )

  it(
    "reports the kill by which a limit has ended a call",
    withPool(
      (pool) =>
        Effect.gen(function* () {
          const cells = makeCells()
          const exit = yield* Effect.exit(pool.execute("Masked", { cells }, { runWithin: "50 millis" }))
          expect(Exit.isFailure(exit) && exit.cause.reasons.map((reason) => reason._tag)).toEqual(["Fail"])
          expect(Option.getOrThrow(ForcedEnd.fromExit(exit))._tag).toBe("Killed")
        }),
      { escalation: { interrupt: "50 millis", kill: "5 seconds" } }
    )
  )
})

describe("priorities", () => {
  it(
    "decide which of the waiting tasks runs next",
    withPool((pool) =>
      Effect.gen(function* () {
        const first = yield* occupied(pool)
        const order: Array<number> = []
        const calls = yield* Effect.forEach([0, 2, 1], (priority) =>
          start(Effect.map(pool.execute("Add", { a: priority, b: 0 }, { priority }), (value) => void order.push(value)))
        )
        expect((yield* pool.queued).map(({ priority }) => priority)).toEqual([2, 1, 0])
        yield* Fiber.interrupt(first)
        yield* Effect.forEach(calls, Fiber.join)
        expect(order).toEqual([2, 1, 0])
      })
    )
  )
})

describe("cancelQueued", () => {
  it(
    "interrupts the waiting tasks with the reason, and no running task",
    withPool(
      (pool) =>
        Effect.gen(function* () {
          const first = yield* occupied(pool)
          const calls = yield* Effect.forEach([1, 2, 3], (a) => start(pool.execute("Add", { a, b: 0 })))
          const reason = CancelReason.interrupted({ message: "not needed" })
          expect(yield* pool.cancelQueued({ reason })).toBe(3)
          for (const call of calls) {
            const exit = yield* Fiber.await(call)
            expect(Option.getOrThrow(CancelReason.fromExit(exit)).message).toBe("not needed")
          }
          expect(yield* pool.status).toMatchObject({ running: 1, queued: 0 })
          yield* Fiber.interrupt(first)
        }),
      { queue: { bound: 2, whenFull: "wait" } }
    )
  )
})

describe("drain", () => {
  it(
    "runs the waiting tasks, accepts no new task, and ends the workers",
    withPool((pool) =>
      Effect.gen(function* () {
        const first = yield* occupied(pool)
        const second = yield* start(pool.execute("Add", { a: 1, b: 2 }))
        const drain = yield* start(pool.drain())
        expect(yield* Effect.flip(pool.execute("Add", { a: 1, b: 1 }))).toMatchObject({
          reason: { _tag: "PoolClosed" }
        })
        yield* Fiber.interrupt(first)
        expect(yield* Fiber.join(second)).toBe(3)
        expect(yield* Fiber.join(drain)).toEqual({ finished: 2, cut: 0, neverStarted: 0 })
        expect(yield* pool.status).toEqual({
          workers: 0,
          retiring: 0,
          missing: 0,
          running: 0,
          queued: 0,
          min: 1,
          max: 1
        })
      })
    )
  )

  it(
    "ends the running tasks after its time limit, with their finalizers, and rejects the waiting tasks",
    withPool((pool) =>
      Effect.gen(function* () {
        const cells = makeCells()
        const first = yield* start(pool.execute("Hog", { cells }))
        yield* whenSet(cells, Cell.begun)
        const second = yield* start(pool.execute("Add", { a: 1, b: 2 }))
        expect(yield* pool.drain({ within: "20 millis" })).toEqual({ finished: 0, cut: 1, neverStarted: 1 })
        expect(Atomics.load(cells, Cell.cleanedUp)).toBe(1)
        expect(Option.getOrThrow(CancelReason.fromExit(yield* Fiber.await(first)))._tag).toBe("Shutdown")
        expect(yield* Effect.flip(Fiber.join(second))).toMatchObject({ reason: { _tag: "PoolClosed" } })
      })
    )
  )
})

describe("a bad option", () => {
  it(
    "of a call or of a drain is a defect that names the option",
    withPool((pool) =>
      Effect.gen(function* () {
        const calls = [
          pool.execute("Add", { a: 1, b: 1 }, { priority: NaN }),
          pool.execute("Add", { a: 1, b: 1 }, { runWithin: "soon" as never }),
          pool.drain({ within: -1 }),
          pool.drain({ queued: "later" as never })
        ]
        const options = yield* Effect.forEach(calls as ReadonlyArray<Effect.Effect<unknown, unknown>>, (call) =>
          Effect.map(Effect.exit(call), optionOf)
        )
        expect(options).toEqual(["priority", "runWithin", "within", "queued"])
        expect(yield* pool.execute("Add", { a: 1, b: 1 })).toBe(2)
      })
    )
  )

  it("of a pool is a defect that names the option", async () => {
    const make = makePool({ runWithin: "soon" as never })
    expect(optionOf(await Effect.runPromiseExit(Effect.scoped(make)))).toBe("runWithin")
    const queue = { bound: 1, whenFull: "drop" as never }
    expect(optionOf(await Effect.runPromiseExit(Effect.scoped(makePool({ queue }))))).toBe("queue.whenFull")
  })
})
