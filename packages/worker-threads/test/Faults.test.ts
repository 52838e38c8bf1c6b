import { ForcedEnd, Lease, Thread } from "@quiesce/core"
import { HostLease, WorkerError, WorkerPool } from "@quiesce/worker-threads"
import { Cause, Deferred, Effect, Exit, Fiber, type Layer, Logger, Option, Schedule } from "effect"
import { Worker } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import { makeCells } from "./fixtures/contract.ts"
import { Faults, Token } from "./fixtures/faults.ts"
import { whenSet } from "./support.ts"
import { Cell } from "./fixtures/cells.ts"

// A worker takes a while to start on a busy machine.

const fixture = (name: string): URL => new URL(`./fixtures/${name}.worker.ts`, import.meta.url)

/** The tokens that the host has acquired and released, by name. */
interface Tokens {
  readonly acquired: Array<string>
  readonly released: Array<string>
}

const makePool = (fault: string, tokens: Tokens, options?: Partial<WorkerPool.Options>) =>
  WorkerPool.make(Faults, {
    spawn: (options) =>
      new Worker(fixture(fault), {
        ...options,
        // More memory than a worker needs, because the neighbour must not run out of it. With a young generation of the
        // default size, running out of memory may end the process.
        ...(fault === "out-of-memory" && {
          resourceLimits: { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 4 }
        }),
        stderr: true
      }),
    size: 2,
    // On a busy machine, even prompt code takes a while.
    escalation: { interrupt: "20 seconds", unwind: "1 second", kill: "1 second" },
    hostLeases: [
      HostLease.handler(Token, (name) =>
        Effect.acquireRelease(
          Effect.sync(() => tokens.acquired.push(name)),
          () => Effect.sync(() => tokens.released.push(name))
        )
      )
    ],
    ...options
  })

type Pool = Effect.Success<ReturnType<typeof makePool>>

const withPool =
  (
    fault: string,
    f: (pool: Pool, tokens: Tokens) => Effect.Effect<void, unknown>,
    options?: Partial<WorkerPool.Options>,
    logger: Layer.Layer<never> = Logger.layer([])
  ) =>
  (): Promise<void> => {
    const tokens: Tokens = { acquired: [], released: [] }
    return Effect.runPromise(
      Effect.scoped(Effect.flatMap(makePool(fault, tokens, options), (pool) => f(pool, tokens))).pipe(
        Effect.provide(logger)
      )
    ).then(() => expect(tokens.released.toSorted()).toEqual(tokens.acquired.toSorted()))
  }

const workerErrorOf = (exit: Exit.Exit<unknown, unknown>): WorkerError.WorkerErrorReason | undefined => {
  const reasons = Exit.isFailure(exit) ? exit.cause.reasons.filter(Cause.isFailReason) : []
  return reasons.flatMap(({ error }) => (error instanceof WorkerError.WorkerError ? [error.reason] : []))[0]
}

/** The effects of a fault that ends its worker, on the threads of that worker and on other threads. */
const ends = (pool: Pool, tokens: Tokens, problem: RegExp) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { companion, neighbours } = yield* allButOne(pool)
      const faulty = yield* pool.spawn("Fault", undefined)
      const exit = yield* Thread.await(faulty)
      expect(workerErrorOf(exit)).toMatchObject({ _tag: "WorkerExited", problem: expect.stringMatching(problem) })
      expect(Option.getOrUndefined(ForcedEnd.fromExit(exit))).toMatchObject({ _tag: "Crashed", lost: ["page"] })
      const caught = Effect.catchTag(Thread.join(faulty), "WorkerError", ({ reason }) => Effect.succeed(reason._tag))
      expect(yield* caught).toBe("WorkerExited")
      expect(tokens.released).toContain("fault")
      expect(yield* Lease.tally(faulty)).toMatchObject({ acquired: 2, released: 1, lost: 1 })
      const second = yield* Thread.await(companion)
      expect(workerErrorOf(second)?._tag).toBe("WorkerExited")
      for (const neighbour of neighbours) expect(yield* Thread.isAlive(neighbour)).toBe(true)
      // The replacement of the worker takes tasks, and so does the other worker.
      const threads = yield* Effect.all(
        Array.from({ length: 20 }, () => pool.execute("Where", undefined)),
        { concurrency: "unbounded" }
      )
      expect(threads).toHaveLength(20)
      expect(yield* pool.status).toMatchObject({ workers: 2, missing: 0, running: 2, queued: 0 })
      for (const neighbour of neighbours) {
        yield* Thread.interrupt(neighbour)
        expect(yield* Lease.tally(neighbour)).toMatchObject({ acquired: 2, released: 2 })
      }
    })
  )

/**
 * Fills all slots but one of two workers with two slots each. The faulty worker has one thread beside the fault, and
 * the other worker has two.
 */
const allButOne = (pool: Pool) =>
  Effect.gen(function* () {
    const holds = yield* Effect.forEach([makeCells(), makeCells(), makeCells(), makeCells()], (cells) =>
      Effect.map(pool.spawn("Hold", { cells }), (thread) => ({ thread, cells }))
    )
    yield* Effect.forEach(holds, ({ cells }) => whenSet(cells, Cell.threadId))
    const on = ({ cells }: (typeof holds)[number]): number => Atomics.load(cells, Cell.threadId)
    const [first, ...others] = holds
    yield* Thread.interrupt(first!.thread)
    return {
      companion: others.find((hold) => on(hold) === on(first!))!.thread,
      neighbours: others.filter((hold) => on(hold) !== on(first!)).map(({ thread }) => thread)
    }
  })

describe("a fault ends the threads of its own worker with a typed error, no other threads, and the pool replaces the worker", () => {
  it.each([
    ["uncaught-exception", /nobody catches this/],
    ["uncaught-tagged", /Unheard/],
    ["uncaught-object", /\{"toString":"no function","page":7\}/],
    ["unhandled-rejection", /nobody awaits this/],
    ["out-of-memory", /memory limit/],
    ["process-exit", /process\.exit/],
    ["garbage-message", /a message outside the protocol/],
    ["closed-port", /closed the pool's port/],
    ["claimed-thread", /reported a thread of another worker as its own/]
  ] as const)("%s", (fault, problem) =>
    withPool(fault, (pool, tokens) => ends(pool, tokens, problem), { concurrency: 2 })()
  )

  it("terminate, from outside", () => {
    const workers: Array<Worker> = []
    const spawn: WorkerPool.Options["spawn"] = (options) => {
      const worker = new Worker(fixture("process-exit"), options)
      workers.push(worker)
      return worker
    }
    return withPool(
      "process-exit",
      (pool, tokens) =>
        Effect.scoped(
          Effect.gen(function* () {
            const cells = makeCells()
            const held = yield* pool.spawn("Hold", { cells })
            yield* whenSet(cells, Cell.threadId)
            yield* Effect.promise(() => workers[0]!.terminate())
            expect(workerErrorOf(yield* Thread.await(held))?._tag).toBe("WorkerExited")
            expect(tokens.released).toEqual(["hold"])
            expect(yield* pool.execute("Where", undefined)).toBeGreaterThan(0)
          })
        ),
      { spawn, size: 1 }
    )()
  })
})

const survives = (pool: Pool, fault: Effect.Effect<void, unknown>) =>
  Effect.gen(function* () {
    const before = yield* pool.execute("Where", undefined)
    yield* fault
    expect(yield* pool.execute("Where", undefined)).toBe(before)
    expect(yield* pool.status).toMatchObject({ workers: 1, running: 0, queued: 0 })
  })

describe("a fault that leaves its worker intact ends only its own thread, and frees the slot", () => {
  it(
    "bad-reply",
    withPool(
      "bad-reply",
      (pool) =>
        survives(
          pool,
          Effect.gen(function* () {
            const exit = yield* Effect.exit(pool.execute("Fault", undefined))
            expect(workerErrorOf(exit)).toMatchObject({ _tag: "BadReply", task: "Fault" })
          })
        ),
      { size: 1 }
    )
  )

  it(
    "a payload that can't be cloned",
    withPool(
      "process-exit",
      (pool) =>
        survives(
          pool,
          Effect.gen(function* () {
            const cells = Object.assign(makeCells(), { constructor: () => {} })
            const unclonable = new Proxy(cells, {})
            const exit = yield* Effect.exit(pool.execute("Hold", { cells: unclonable }))
            expect(workerErrorOf(exit)).toMatchObject({ _tag: "NotSendable", task: "Hold" })
          })
        ),
      { size: 1 }
    )
  )

  it(
    "a second and a third Ready",
    withPool("twice-ready", (pool) => survives(pool, Effect.asVoid(pool.execute("Fault", undefined))), { size: 1 })
  )

  it(
    "forged-release: the host acquires and releases leases for tasks of the requesting worker only",
    withPool("forged-release", (pool, tokens) =>
      Effect.scoped(
        Effect.gen(function* () {
          const cells = makeCells()
          const held = yield* pool.spawn("Hold", { cells })
          yield* whenSet(cells, Cell.threadId)
          // One slot of two is taken, so this task runs on the other worker.
          const thread = yield* pool.spawn("Fault", undefined)
          expect(yield* Thread.join(thread)).toBe(7)
          expect(tokens.released).not.toContain("hold")
          // The lease that the worker has acquired for its own task was released with the task.
          expect(tokens.acquired.filter((name) => name === "forged")).toHaveLength(1)
          expect(tokens.released).toContain("forged")
          expect(yield* Lease.tally(held)).toMatchObject({ acquired: 2, released: 0 })
        })
      )
    )
  )

  it(
    "two killed threads of one worker each have their own reason and end",
    withPool(
      "process-exit",
      (pool, tokens) =>
        Effect.scoped(
          Effect.gen(function* () {
            // The second task blocks the worker, so the first receives no cancel.
            const threads = yield* Effect.forEach(["Hold", "Hog"] as const, (task) => {
              const cells = makeCells()
              return Effect.tap(pool.spawn(task, { cells }), () => whenSet(cells, Cell.threadId))
            })
            const reports = yield* Effect.forEach(
              threads,
              (thread) => Thread.shutdown(thread, { escalation: { kill: "10 seconds" } }),
              {
                concurrency: "unbounded"
              }
            )
            expect(reports.map(({ ending }) => ending._tag)).toEqual(["Killed", "Killed"])
            expect(reports.map(({ lost }) => lost.map(({ lease }) => lease))).toEqual([["page"], ["page"]])
            expect(tokens.released).toEqual(["hold", "hold"])
          })
        ),
      { size: 1, concurrency: 2 }
    )
  )
})

describe("a reply that a worker has sent before its end is accepted", () => {
  it("last-words", () => {
    let exited: Promise<unknown> = Promise.resolve()
    const spawn: WorkerPool.Options["spawn"] = (options) => {
      const worker = new Worker(fixture("last-words"), options)
      exited = new Promise((resolve) => worker.once("exit", resolve))
      return worker
    }
    return withPool(
      "last-words",
      (pool) =>
        Effect.gen(function* () {
          for (let i = 0; i < 5; i++) {
            const exit = exited
            expect(yield* pool.execute("Fault", undefined)).toBe(7)
            yield* Effect.promise(() => exit)
          }
        }),
      { spawn, size: 1 }
    )()
  })
})

/** Starts workers until `broken` is set. After that, calls `tried` and throws. */
const breakable = (tried: () => void) => {
  const state = { broken: false, workers: [] as Array<Worker> }
  const spawn: WorkerPool.Options["spawn"] = (options) => {
    if (state.broken) {
      tried()
      throw new Error("no threads left")
    }
    const worker = new Worker(fixture("process-exit"), options)
    state.workers.push(worker)
    return worker
  }
  return { state, spawn }
}

const failsToStart = (options: Partial<WorkerPool.Options>, fault: string, problem: RegExp) =>
  Effect.gen(function* () {
    const tokens: Tokens = { acquired: [], released: [] }
    const exit = yield* Effect.exit(Effect.scoped(makePool(fault, tokens, options)))
    expect(workerErrorOf(exit)).toMatchObject({
      _tag: "SpawnFailed",
      attempts: 5,
      problem: expect.stringMatching(problem)
    })
  }).pipe(Effect.runPromise)

describe("a worker that can't start fails the pool, with the reason", () => {
  it.each([
    ["throws-at-import", /this module can't be loaded/],
    ["exits-at-import", /it ended with code 7: it ended before it was ready/],
    ["ends-at-import", /code 0: it ended before it was ready/],
    ["failing-layer", /no database/]
  ] as const)("%s", (fault, problem) => failsToStart({}, fault, problem))

  it("never-ready", () => failsToStart({ startWithin: "200 millis" }, "never-ready", /not ready within 200 ms/))

  it("exits-while-attaching: fails to start, or is ready for a moment and then fails its tasks", async () => {
    const tokens: Tokens = { acquired: [], released: [] }
    const exit = await Effect.runPromiseExit(
      Effect.scoped(
        Effect.flatMap(makePool("exits-while-attaching", tokens), (pool) => pool.execute("Where", undefined))
      )
    )
    expect(["SpawnFailed", "WorkerExited"]).toContain(workerErrorOf(exit)?._tag)
  })

  it("a spawn that throws", () => {
    const { spawn, state } = breakable(() => {})
    state.broken = true
    return failsToStart({ spawn }, "process-exit", /no threads left/)
  })

  it("WorkerPool.make ends all workers if it is interrupted while they start", async () => {
    const handles = process.getActiveResourcesInfo().filter((name) => name === "MessagePort" || name === "Worker")
    const workers: Array<Worker> = []
    const gone: Array<Promise<unknown>> = []
    await Effect.runPromise(
      Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        const spawn: WorkerPool.Options["spawn"] = (options) => {
          const worker = new Worker(fixture("never-ready"), options)
          gone.push(new Promise((resolve) => worker.once("exit", resolve)))
          worker.once("online", () => Deferred.doneUnsafe(started, Effect.void))
          workers.push(worker)
          return worker
        }
        const tokens: Tokens = { acquired: [], released: [] }
        const making = yield* Effect.forkChild(Effect.scoped(makePool("never-ready", tokens, { spawn })))
        yield* Deferred.await(started)
        yield* Fiber.interrupt(making)
      })
    )
    expect(workers.map(({ threadId }) => threadId)).toEqual([-1, -1])
    await Promise.all(gone)
    const left = process.getActiveResourcesInfo().filter((name) => name === "MessagePort" || name === "Worker")
    expect(left).toEqual(handles)
  })
})

/** Completes at the given number of calls. */
const times = (count: number) => {
  const reached = Deferred.makeUnsafe<void>()
  let calls = 0
  const called = (): void => {
    if (++calls === count) Deferred.doneUnsafe(reached, Effect.void)
  }
  return { called, reached: Deferred.await(reached) }
}

describe("a pool whose dead workers can't be replaced", () => {
  it("continues with fewer workers, shows that in its status and once in the log, and is complete again later", () => {
    const warnings: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      // The lost worker is logged as an error.
      if (logLevel === "Warn") warnings.push(String(message))
    })
    const { called, reached } = times(6)
    const { spawn, state } = breakable(called)
    return withPool(
      "process-exit",
      (pool) =>
        Effect.gen(function* () {
          state.broken = true
          yield* Effect.exit(pool.execute("Fault", undefined))
          yield* reached
          expect(yield* pool.status).toMatchObject({ workers: 1, missing: 1 })
          expect(yield* pool.execute("Where", undefined)).toBeGreaterThan(0)
          state.broken = false
          yield* pool.status.pipe(
            Effect.repeat({ until: ({ missing }) => missing === 0, schedule: Schedule.spaced("10 millis") })
          )
          expect(warnings).toHaveLength(1)
          expect(warnings[0]).toContain("has 1 workers of the 2")
          expect(warnings[0]).toContain("no threads left")
        }),
      { spawn },
      Logger.layer([logger])
    )()
  })

  it("fails its tasks when no worker is left, and takes tasks again once a worker has started", () => {
    const { called, reached } = times(5)
    const { spawn, state } = breakable(called)
    return withPool(
      "process-exit",
      (pool) =>
        Effect.gen(function* () {
          state.broken = true
          const faulty = yield* Effect.forkChild(Effect.exit(pool.execute("Fault", undefined)), {
            startImmediately: true
          })
          const waiting = yield* Effect.forkChild(Effect.exit(pool.execute("Where", undefined)), {
            startImmediately: true
          })
          expect(workerErrorOf(yield* Fiber.join(faulty))?._tag).toBe("WorkerExited")
          expect(workerErrorOf(yield* Fiber.join(waiting))).toMatchObject({ _tag: "SpawnFailed", attempts: 5 })
          yield* reached
          const refused = yield* Effect.exit(pool.execute("Where", undefined))
          expect(workerErrorOf(refused)?._tag).toBe("SpawnFailed")
          expect(yield* pool.status).toMatchObject({ workers: 0, missing: 1, queued: 0 })
          state.broken = false
          const served = yield* Effect.retry(pool.execute("Where", undefined), {
            while: (error) => error._tag === "WorkerError" && error.reason._tag === "SpawnFailed",
            schedule: Schedule.spaced("10 millis")
          })
          expect(served).toBeGreaterThan(0)
        }),
      { spawn, size: 1 }
    )()
  })

  it("starts a worker for the next task if its minimum is zero", () => {
    const { called } = times(0)
    const { spawn, state } = breakable(called)
    return withPool(
      "process-exit",
      (pool) =>
        Effect.gen(function* () {
          state.broken = true
          expect(workerErrorOf(yield* Effect.exit(pool.execute("Where", undefined)))?._tag).toBe("SpawnFailed")
          state.broken = false
          const served = yield* Effect.retry(pool.execute("Where", undefined), {
            while: (error) => error._tag === "WorkerError" && error.reason._tag === "SpawnFailed",
            schedule: Schedule.spaced("10 millis")
          })
          expect(served).toBeGreaterThan(0)
        }),
      { spawn, size: { min: 0, max: 1 } }
    )()
  })

  it("waits for retiring workers when it closes", async () => {
    const exits: Array<Promise<unknown>> = []
    let ended = 0
    const spawn: WorkerPool.Options["spawn"] = (options) => {
      const worker = new Worker(fixture("process-exit"), options)
      exits.push(new Promise((resolve) => worker.once("exit", resolve)).then(() => ended++))
      return worker
    }
    await withPool("process-exit", (pool) => Effect.asVoid(pool.execute("Where", undefined)), {
      spawn,
      size: { min: 0, max: 1, idle: 0 }
    })()
    expect(ended).toBe(exits.length)
  })
})
