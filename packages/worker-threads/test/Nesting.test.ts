import { CancelReason, Deadline, Lease, Thread } from "@quiesce/core"
import { HostLease, SharedMutex, WorkerPool } from "@quiesce/worker-threads"
import { Effect, Fiber, Option, Schedule } from "effect"
import { readFileSync } from "node:fs"
import { Worker } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import { Refresh } from "./fixtures/contract.ts"
import { withFifo } from "./fixtures/fifo.ts"
import { cell, makeCells, Nested, readText, Token } from "./fixtures/nested.ts"
import { whenSet } from "./support.ts"

// Workers start one after another here, and each loads all modules of this test.

const url = new URL("./fixtures/nested.worker.ts", import.meta.url)

interface Tokens {
  readonly acquired: Array<string>
  readonly released: Array<string>
}

const makePool = (tokens: Tokens) =>
  WorkerPool.make(Nested, {
    spawn: (options) => new Worker(url, options),
    size: 1,
    hostLeases: [
      HostLease.handler(Token, (name) =>
        name === "full"
          ? Effect.fail(new Refresh({ page: 5 }))
          : Effect.acquireRelease(
              Effect.sync(() => tokens.acquired.push(name)),
              () => Effect.sync(() => tokens.released.push(name))
            )
      )
    ]
  })

type Pool = Effect.Success<ReturnType<typeof makePool>>
type Cells = ReturnType<typeof makeCells>

const levels = [
  ["two levels", 1],
  ["three levels", 2]
] as const

/** A test whose leaves are at the given depth. */
const nested =
  (f: (pool: Pool, depth: number, cells: Cells, tokens: Tokens) => Effect.Effect<void, unknown>) =>
  (_: string, depth: number): Promise<void> => {
    const tokens: Tokens = { acquired: [], released: [] }
    return Effect.runPromise(
      Effect.scoped(Effect.flatMap(makePool(tokens), (pool) => f(pool, depth, makeCells(), tokens)))
    )
  }

/** The leases of a leaf are reported from thread to thread, each in its own turn. */
const whenHeld = (thread: Thread.Thread<unknown, unknown>, count: number) =>
  Lease.tally(thread).pipe(
    Effect.repeat({ until: ({ acquired }) => acquired === count, schedule: Schedule.spaced("10 millis") })
  )

const kill = { interrupt: 0, kill: "20 seconds" } as const

describe("a request to a thread reaches the leaf", () => {
  it.each(levels)(
    "as an interrupt with its reason, which waits for the finalizers: %s",
    nested((pool, depth, cells) =>
      Effect.gen(function* () {
        const thread = yield* pool.spawn("Do", { depth, cells, action: "wait" })
        yield* whenSet(cells, cell.begun)
        yield* Thread.interrupt(thread, { reason: CancelReason.interrupted({ message: "enough of that" }) })
        expect(Atomics.load(cells, cell.finalized)).toBe(1)
        expect(readText(cells)).toBe("enough of that")
        const exit = yield* Thread.await(thread)
        expect(Option.map(CancelReason.fromExit(exit), ({ message }) => message)).toEqual(Option.some("enough of that"))
        expect(yield* Lease.tally(thread)).toMatchObject({ acquired: 1, released: 1 })
      }).pipe(Effect.scoped)
    )
  )

  it.each(levels)(
    "as the signal of run, which rejects with the reason: %s",
    nested((pool, depth, cells) =>
      Effect.gen(function* () {
        const controller = new AbortController()
        const promise = pool.run("Do", { depth, cells, action: "wait" }, { signal: controller.signal })
        yield* whenSet(cells, cell.begun)
        const reason = new Error("the connection closed")
        controller.abort(reason)
        expect(yield* Effect.promise(() => promise.catch((error: unknown) => error))).toBe(reason)
        expect(readText(cells)).toContain("the connection closed")
      })
    )
  )

  it.each(levels)(
    "as a deadline: %s",
    nested((pool, depth, cells) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(
          pool.execute("Do", { depth, cells, action: "wait" }).pipe(Deadline.within("1 hour"))
        )
        yield* whenSet(cells, cell.begun)
        const remaining = Atomics.load(cells, cell.remaining)
        expect(remaining).toBeGreaterThan(0)
        expect(remaining).toBeLessThanOrEqual(3_600_000)
        yield* Fiber.interrupt(fiber)
        expect(Atomics.load(cells, cell.finalized)).toBe(1)
      })
    )
  )

  it.each(levels)(
    "as an error that each thread on the way raises into the next: %s",
    nested((pool, depth, cells) =>
      Effect.gen(function* () {
        const thread = yield* pool.spawn("Receive", { depth, cells })
        yield* whenSet(cells, cell.begun)
        expect(yield* Thread.raise(thread, new Refresh({ page: 9 }))).toBe(true)
        expect(yield* Thread.join(thread)).toBe(9)
      }).pipe(Effect.scoped)
    )
  )

  it.each(levels)(
    "as an interrupt that ends a section in the leaf, and runs its finalizers: %s",
    nested((pool, depth, cells) =>
      Effect.gen(function* () {
        const thread = yield* pool.spawn("Do", { depth, cells, action: "hog" })
        yield* whenSet(cells, cell.begun)
        yield* Thread.interrupt(thread, { reason: CancelReason.interrupted({ message: "enough of that" }) })
        expect(readText(cells)).toBe("enough of that")
      }).pipe(Effect.scoped)
    )
  )
})

describe("no thread outlives its parent", () => {
  it.each(levels)(
    "a killed worker in between ends the threads below it: %s",
    nested((pool, depth, cells) =>
      Effect.gen(function* () {
        const thread = yield* pool.spawn("Do", { depth, cells, action: "count" })
        yield* whenSet(cells, cell.begun)
        yield* whenHeld(thread, 1)
        const report = yield* Thread.shutdown(thread, { escalation: kill })
        expect(report.ending._tag).toBe("Killed")
        expect(report.lost.map(({ lease }) => lease)).toEqual(["leaf"])
        const count = Atomics.load(cells, cell.count)
        for (let i = 0; i < 100; i++) yield* Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
        expect(Atomics.load(cells, cell.count)).toBe(count)
        // The pool takes further tasks.
        expect(yield* pool.execute("Ask", { depth: 0, cells })).toHaveLength(4)
      }).pipe(Effect.scoped)
    )
  )

  it.each(levels)(
    "a lock of the leaf reports that its owner has died: %s",
    nested((pool, depth, cells) =>
      Effect.gen(function* () {
        const mutex = yield* SharedMutex.make({ name: "ledger" })
        const thread = yield* pool.spawn("Lock", { depth, cells, mutex })
        yield* whenSet(cells, cell.begun)
        yield* Thread.shutdown(thread, { escalation: kill })
        const error = yield* Effect.flip(SharedMutex.withLock(mutex)(Effect.void))
        expect(error.reason).toMatchObject({ _tag: "OwnerDied", threadId: Atomics.load(cells, cell.threadId) })
      }).pipe(Effect.scoped)
    )
  )
})

describe("a HostLease that a leaf acquires is kept by the main thread", () => {
  it.each(levels)(
    "and released, not lost, when the worker in between is killed: %s",
    nested((pool, depth, cells, tokens) =>
      Effect.gen(function* () {
        const thread = yield* pool.spawn("Do", { depth, cells, action: "leaseAndCount" })
        yield* whenSet(cells, cell.begun)
        yield* whenHeld(thread, 2)
        expect(tokens).toEqual({ acquired: ["leaf"], released: [] })
        const report = yield* Thread.shutdown(thread, { escalation: kill })
        expect(tokens.released).toEqual(["leaf"])
        expect(report.released.map(({ lease }) => lease)).toEqual(["Token"])
        expect(report.lost.map(({ lease }) => lease)).toEqual(["leaf"])
        expect(yield* Lease.tally(thread)).toMatchObject({ acquired: 2, released: 1, lost: 1 })
      }).pipe(Effect.scoped)
    )
  )

  it.each(levels)(
    "and released when the leaf's worker dies: %s",
    nested((pool, depth, cells, tokens) =>
      Effect.gen(function* () {
        const thread = yield* pool.spawn("Do", { depth, cells, action: "leaseAndExit" })
        yield* Thread.await(thread)
        expect(tokens).toEqual({ acquired: ["leaf"], released: ["leaf"] })
        expect(yield* Lease.tally(thread)).toMatchObject({ acquired: 2, released: 1, lost: 1 })
      }).pipe(Effect.scoped)
    )
  )

  it.each(levels)(
    "and released when the thread is interrupted: %s",
    nested((pool, depth, cells, tokens) =>
      Effect.gen(function* () {
        const thread = yield* pool.spawn("Do", { depth, cells, action: "lease" })
        yield* whenSet(cells, cell.begun)
        yield* Thread.interrupt(thread)
        expect(tokens).toEqual({ acquired: ["leaf"], released: ["leaf"] })
        expect(yield* Lease.tally(thread)).toMatchObject({ acquired: 2, released: 2, lost: 0 })
      }).pipe(Effect.scoped)
    )
  )

  it.each(levels)(
    "and succeeds or fails as declared, comes from the nearest pool that declares it, or is refused: %s",
    nested((pool, depth, cells, tokens) =>
      Effect.gen(function* () {
        const [token, full, own, nobody] = yield* pool.execute("Ask", { depth, cells })
        expect([token, full]).toEqual(["1", "Refresh 5"])
        expect(Number(own)).toBeGreaterThan(0)
        expect(nobody).toContain('The host does not keep "Nobody" for this code: the pool does not declare it')
        expect(nobody).toMatch(/^Cause\(\[Die\(/)
        expect(tokens).toEqual({ acquired: ["one"], released: ["one"] })
      })
    )
  )
})

/** Runs a task in a worker. Calls `whenBegun` after the task has begun, and lets the task continue. */
const run = <A>(cells: Cells, what: (pool: Pool) => Effect.Effect<A, unknown>, whenBegun: () => unknown) =>
  Effect.gen(function* () {
    const pool = yield* makePool({ acquired: [], released: [] })
    const fiber = yield* Effect.forkChild(what(pool))
    yield* whenSet(cells, cell.begun)
    Atomics.store(cells, cell.go, 1)
    Atomics.notify(cells, cell.go)
    whenBegun()
    return yield* Fiber.join(fiber)
  }).pipe(Effect.scoped, Effect.runPromise)

const shut = (fifo: string, unwindMillis: number, whenBegun: (cells: Cells) => unknown) => {
  const cells = makeCells()
  return run(
    cells,
    (pool) => pool.execute("Shut", { cells, fifo, unwindMillis }),
    () => whenBegun(cells)
  )
}

describe("code that blocks a worker of a worker", () => {
  it("is unwound", async () => {
    expect(await shut("", 30_000, () => {})).toMatchObject({ rung: "unwind" })
  })

  it("is unwound while the main thread, which relays for the inspector, waits in JavaScript", async () => {
    expect(await shut("", 30_000, (cells) => Atomics.wait(cells, cell.answer, 0, 120_000))).toMatchObject({
      rung: "unwind"
    })
  })

  it.skipIf(process.platform === "win32")("is killed while the main thread is blocked in native code", () =>
    withFifo(async (fifo) => {
      expect(await shut(fifo, 200, () => readFileSync(fifo))).toMatchObject({ rung: "kill" })
    })
  )
})

it.skipIf(process.platform === "win32")("a worker of a worker starts while the main thread is blocked", () =>
  withFifo(async (fifo) => {
    const cells = makeCells()
    let read = ""
    await run(
      cells,
      (pool) => pool.execute("Start", { cells, fifo }),
      () => (read = readFileSync(fifo, "utf8"))
    )
    expect(read).toBe("started")
  })
)
