import { CancelReason, ForcedEnd, Lease, Thread, ThreadDump } from "@quiesce/core"
import * as ThreadAdapter from "@quiesce/core/adapter"
import { WorkerError, type WorkerPool } from "@quiesce/worker-threads"
import { Cause, DateTime, Effect, Exit, Fiber, Option, Stream } from "effect"
import { Worker } from "node:worker_threads"
import { describe, expect, it, vi } from "vitest"
import { makeCells, Refresh } from "./fixtures/contract.ts"
import { Attachment } from "../src/internal/inspector/attachment.ts"
import { makePool, whenSet } from "./support.ts"
import { Cell } from "./fixtures/cells.ts"

type Pool = Effect.Success<ReturnType<typeof makePool>>

/** Runs a test in the scope of a pool. */
const withPool =
  (f: (pool: Pool) => Effect.Effect<void, unknown, never>, options?: Partial<WorkerPool.Options>) =>
  (): Promise<void> =>
    Effect.runPromise(Effect.scoped(Effect.flatMap(makePool(options), f)))

const workerErrorOf = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isFailure(exit)
    ? (exit.cause.reasons.flatMap((reason) =>
        Cause.isFailReason(reason) && reason.error instanceof WorkerError.WorkerError ? [reason.error.reason._tag] : []
      )[0] ?? "none")
    : "none"

/** The `WorkerError` of misuse, a defect. */
const misuseOf = (exit: Exit.Exit<unknown, unknown>): string => {
  const defect = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isDieReason)?.defect : undefined
  return defect instanceof WorkerError.WorkerError ? defect.reason._tag : "none"
}

/** A user without types could pass such options. Rejects with the error or the defect. */
const bad = (spawn: unknown): Promise<Error> =>
  Effect.runPromise(Effect.scoped(makePool({ spawn: spawn as WorkerPool.Options["spawn"] }))).then(
    () => new Error("accepted"),
    (error: Error) => error
  )

describe("execute", () => {
  it(
    "returns the value, decoded by the contract on both sides",
    withPool((pool) =>
      Effect.gen(function* () {
        expect(yield* pool.execute("Add", { a: 1, b: 2 })).toBe(3)
        expect(yield* pool.execute("Year", { date: DateTime.makeUnsafe("2021-05-06") })).toBe(2021)
        expect(yield* pool.execute("Bytes", { size: 3 })).toEqual(new Uint8Array([7, 7, 7]))
      })
    )
  )

  it(
    "fails with the declared error, as an instance of its class",
    withPool((pool) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(pool.execute("Fail", { page: 4 }))
        expect(error).toBeInstanceOf(Refresh)
        expect(error).toMatchObject({ page: 4 })
      })
    )
  )

  it(
    "dies of an error that the contract does not declare",
    withPool((pool) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(pool.execute("UnwindFiber", { message: "not in the contract" }))
        expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
        expect(Exit.isFailure(exit) && String(Cause.squash(exit.cause))).toContain("not in the contract")
      })
    )
  )

  it(
    "dies of a section that returns a promise or an Effect, and the worker survives",
    withPool((pool) =>
      Effect.gen(function* () {
        for (const how of ["promise", "effect", "masked promise"] as const) {
          const exit = yield* Effect.exit(pool.execute("NoSection", { how }))
          expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
          expect(Exit.isFailure(exit) && String(Cause.squash(exit.cause))).toContain("Abort.promise((signal) => ...)")
        }
        expect(yield* pool.execute("Add", { a: 1, b: 2 })).toBe(3)
        expect((yield* pool.status).missing).toBe(0)
      })
    )
  )

  it(
    "dies of a defect with its message",
    withPool((pool) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(pool.execute("Die", { message: "boom" }))
        expect(Exit.isFailure(exit) && String(Cause.squash(exit.cause))).toContain("boom")
      })
    )
  )

  it(
    "returns after the remote finalizers have run when it is interrupted",
    withPool((pool) =>
      Effect.gen(function* () {
        const cells = makeCells()
        const fiber = yield* Effect.forkChild(pool.execute("Mark", { cells }))
        yield* whenSet(cells, Cell.begun)
        yield* Effect.sync(() => fiber.interruptUnsafe())
        yield* Effect.exit(Effect.callback<void>((resume) => void fiber.addObserver(() => resume(Effect.void))))
        expect(Atomics.load(cells, Cell.cleanedUp)).toBe(1)
      })
    )
  )

  it(
    "never starts a task that is interrupted while it waits for a worker",
    withPool((pool) =>
      Effect.gen(function* () {
        const busy = makeCells()
        const queued = makeCells()
        const first = yield* Effect.forkChild(pool.execute("Mark", { cells: busy }))
        yield* whenSet(busy, Cell.begun)
        const second = yield* Effect.forkChild(pool.execute("Mark", { cells: queued }), { startImmediately: true })
        expect((yield* pool.status).queued).toBe(1)
        yield* Effect.sync(() => second.interruptUnsafe())
        expect((yield* pool.status).queued).toBe(0)
        yield* Effect.sync(() => first.interruptUnsafe())
        yield* pool.execute("Add", { a: 1, b: 1 })
        expect(Atomics.load(queued, 0)).toBe(0)
      })
    )
  )

  it(
    "refuses a payload that can't be cloned, and ends no other task",
    withPool((pool) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(pool.execute("Poll", { cells: (() => {}) as never }))
        expect(workerErrorOf(exit)).toBe("NotSendable")
        expect(yield* pool.execute("Add", { a: 1, b: 1 })).toBe(2)
      })
    )
  )

  it(
    "names the task and the place in a payload of another type, and ends no other task",
    withPool((pool) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(pool.execute("Add", { a: "1", b: 1 } as never))
        const text = Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
        expect(text).toContain('The payload of "Add" does not fit its Schema')
        expect(text).toContain('["a"]')
        expect(yield* pool.execute("Add", { a: 1, b: 1 })).toBe(2)
      })
    )
  )

  it(
    "fails with ResultNotSendable for a value that can't be cloned, and ends no other task",
    withPool((pool) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(pool.execute("Unclonable", undefined))
        expect(workerErrorOf(exit)).toBe("ResultNotSendable")
        expect(Exit.isFailure(exit) && String(Cause.squash(exit.cause))).toContain("could not be cloned")
        expect(yield* pool.execute("Add", { a: 1, b: 1 })).toBe(2)
      })
    )
  )
})

describe("a result that can't be sent", () => {
  it.each([
    ["getter", (pool: Pool) => pool.execute("Unsendable", { how: "getter" }), "this getter throws"],
    ["error", (pool: Pool) => pool.execute("Unsendable", { how: "error" }), "could not be cloned"],
    ["proxy", (pool: Pool) => pool.execute("Unsendable", { how: "proxy" }), "could not be cloned"],
    ["Date that a getter reads", (pool: Pool) => pool.execute("UnsendableDate", undefined), "this getter throws"],
    ["part beside bytes to transfer", (pool: Pool) => pool.execute("UnsendableTransfer", { how: "part" }), "be cloned"],
    ["buffer that is sent twice", (pool: Pool) => pool.execute("UnsendableTransfer", { how: "twice" }), "duplicate"],
    ["chunk", (pool: Pool) => Stream.runDrain(pool.stream("UnsendableChunk", undefined)), "could not be cloned"]
  ] as const)("because of a %s fails its own task with ResultNotSendable, and no other", (_, run, problem) =>
    withPool(
      (pool) =>
        Effect.gen(function* () {
          const cells = makeCells()
          const neighbour = yield* Effect.forkChild(pool.execute("Mark", { cells }), { startImmediately: true })
          yield* whenSet(cells, Cell.begun)
          const exit = yield* Effect.exit<unknown, unknown, never>(run(pool))
          expect(workerErrorOf(exit)).toBe("ResultNotSendable")
          expect(Exit.isFailure(exit) && String(Cause.squash(exit.cause))).toContain(problem)
          expect(neighbour.pollUnsafe()).toBeUndefined()
          yield* Fiber.interrupt(neighbour)
        }),
      { concurrency: 2 }
    )()
  )
})

describe("a task that throws a value that throws when it is read", () => {
  it.each(["section", "masked", "outside"] as const)("dies with a text, and ends no other task: %s", (how) =>
    withPool(
      (pool) =>
        Effect.gen(function* () {
          const cells = makeCells()
          const neighbour = yield* Effect.forkChild(pool.execute("Mark", { cells }), { startImmediately: true })
          yield* whenSet(cells, Cell.begun)
          const exit = yield* Effect.exit(pool.execute("ThrowHostile", { how }))
          const reasons = Exit.isFailure(exit) ? exit.cause.reasons : []
          expect(reasons.map((reason) => (Cause.isDieReason(reason) ? typeof reason.defect : reason._tag))).toEqual([
            "string"
          ])
          expect(neighbour.pollUnsafe()).toBeUndefined()
          yield* Fiber.interrupt(neighbour)
        }),
      { concurrency: 2 }
    )()
  )
})

describe("spawn", () => {
  it(
    "returns a thread whose leases are in the ledger of the host",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const cells = makeCells()
          const thread = yield* pool.spawn("Mark", { cells })
          yield* whenSet(cells, Cell.begun)
          yield* Thread.interrupt(thread, { reason: CancelReason.interrupted({ message: "enough" }) })
          const exit = yield* Thread.await(thread)
          expect(Option.map(CancelReason.fromExit(exit), (reason) => reason.message)).toEqual(Option.some("enough"))
          expect(yield* Lease.tally(thread)).toMatchObject({ acquired: 1, released: 1 })
        })
      )
    )
  )

  it(
    "handles an error raised from outside in the region that accepts it",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const thread = yield* pool.spawn("Wait", { lease: "page" })
          expect(yield* Thread.raise(thread, new Refresh({ page: 9 }))).toBe(true)
          expect(yield* Thread.join(thread)).toBe(9)
          expect(yield* Thread.raise(thread, new Refresh({ page: 10 }))).toBe(false)
        })
      )
    )
  )

  it(
    "handles an error that was raised in its encoded form, as by another machine",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const thread = yield* pool.spawn("Wait", { lease: "page" })
          const encoded = ThreadAdapter.encodedError({ _tag: "Refresh", page: 9, name: "Refresh", message: "" })
          expect(yield* Thread.raise(thread, encoded)).toBe(true)
          expect(yield* Thread.join(thread)).toBe(9)
        })
      )
    )
  )

  it(
    "does not deliver an error whose raise was interrupted while the worker could not receive it",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const cells = makeCells()
          const thread = yield* pool.spawn("StopThenWait", { cells })
          yield* whenSet(cells, Cell.begun)
          const raises = yield* Effect.forEach([1, 2, 3], (page) =>
            Effect.forkChild(Thread.raise(thread, new Refresh({ page })), { startImmediately: true })
          )
          for (const raise of raises) {
            yield* Fiber.interrupt(raise)
            expect(Exit.hasInterrupts(yield* Fiber.await(raise))).toBe(true)
          }
          Atomics.store(cells, Cell.cleanedUp, 1)
          Atomics.notify(cells, Cell.cleanedUp)
          expect(yield* Thread.raise(thread, new Refresh({ page: 4 }))).toBe(true)
          expect(yield* Thread.join(thread)).toBe(4)
        })
      )
    )
  )

  it(
    "delivers an error only if Thread.raiseWithin returns true",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const cells = makeCells()
          const thread = yield* pool.spawn("StopThenWait", { cells })
          yield* whenSet(cells, Cell.begun)
          expect(yield* Thread.raiseWithin(thread, new Refresh({ page: 1 }), 1)).toBe(false)
          const raise = yield* Effect.forkChild(Thread.raiseWithin(thread, new Refresh({ page: 2 }), "1 minute"), {
            startImmediately: true
          })
          Atomics.store(cells, Cell.cleanedUp, 1)
          Atomics.notify(cells, Cell.cleanedUp)
          expect(yield* Fiber.join(raise)).toBe(true)
          expect(yield* Thread.join(thread)).toBe(2)
        })
      )
    )
  )

  it(
    "keeps an error that is raised while the thread waits for a worker",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const cells = makeCells()
          const busy = yield* pool.spawn("Mark", { cells })
          yield* whenSet(cells, Cell.begun)
          const waiting = yield* pool.spawn("Wait", { lease: "page" })
          const raised = yield* Effect.forkChild(Thread.raise(waiting, new Refresh({ page: 3 })), {
            startImmediately: true
          })
          yield* Thread.interrupt(busy)
          expect(yield* Fiber.join(raised)).toBe(true)
          expect(yield* Thread.join(waiting)).toBe(3)
        })
      )
    )
  )

  it(
    "queues the task until a worker is free, and reports for a cancel in the queue that the task never started",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const [cells, next] = [makeCells(), makeCells()]
          const busy = yield* pool.spawn("Mark", { cells })
          yield* whenSet(cells, Cell.begun)
          expect((yield* Thread.status(busy))._tag).toBe("Running")
          const waiting = yield* pool.spawn("Mark", { cells: next })
          const cancelled = yield* pool.spawn("Add", { a: 1, b: 2 })
          const queued: ReadonlyArray<Thread.Thread<unknown, unknown>> = [waiting, cancelled]
          for (const thread of queued) {
            expect((yield* Thread.status(thread))._tag).toBe("Queued")
            expect((yield* ThreadDump.of(thread)).status).toBe("queued")
          }
          const report = yield* Thread.shutdown(cancelled, { escalation: { interrupt: "1 minute" } })
          expect(report).toMatchObject({ rung: "interrupt", ending: { _tag: "NeverStarted", reason: report.reason } })
          expect((yield* Thread.shutdown(busy, { escalation: { interrupt: "1 minute" } })).ending._tag).toBe(
            "Interrupted"
          )
          yield* whenSet(next, Cell.begun)
          expect((yield* Thread.status(waiting))._tag).toBe("Running")
          expect((yield* ThreadDump.of(waiting)).status).toBe("running")
        })
      )
    )
  )

  it(
    "shows a busy task in ThreadDump.whole, with its worker, its stack and the tree inside the worker",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const cells = makeCells()
          const busy = yield* pool.spawn("Poll", { cells })
          yield* whenSet(cells, Cell.begun)
          const dump = yield* ThreadDump.whole
          const dumped = dump.threads.flatMap(({ children }) => [...children]).concat(dump.threads)
          const found = dumped.find(({ id }) => id === busy.id)
          expect(found?.runsOn).toMatch(/^worker \d+$/)
          expect(found?.stack).toMatch(/^ {4}at /)
          const inside = dump.elsewhere?.find(({ name }) => name === found?.runsOn?.replace(" ", "-"))
          expect(inside?.dump?.threads).toMatchObject([
            { name: "worker", children: [{ name: "Poll", status: "running" }] }
          ])
          yield* Thread.interrupt(busy)
        })
      )
    )
  )

  it(
    "passes a stop and an interrupt to a synchronous loop",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const first = makeCells()
          const stopped = yield* pool.spawn("Poll", { cells: first })
          yield* whenSet(first, Cell.begun)
          yield* Thread.stop(stopped)
          expect(yield* Thread.join(stopped)).toBe("stopped")
          const second = makeCells()
          const interrupted = yield* pool.spawn("Poll", { cells: second })
          yield* whenSet(second, Cell.begun)
          yield* Thread.interruptFork(interrupted)
          yield* Thread.await(interrupted)
          expect(yield* pool.execute("Add", { a: 2, b: 2 })).toBe(4)
        })
      )
    )
  )

  it(
    "reports the lost leases of a killed task, and the pool continues",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const cells = makeCells()
          const thread = yield* pool.spawn("Spin", { cells, lease: "lock file" })
          yield* whenSet(cells, Cell.begun)
          const report = yield* Thread.shutdown(thread, { escalation: { interrupt: "10 millis", kill: "10 seconds" } })
          expect(report.rung).toBe("kill")
          expect(report.ending._tag).toBe("Killed")
          expect(report.lost.map((lost) => lost.lease)).toEqual(["lock file"])
          const exit = yield* Thread.await(thread)
          expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
          expect(ForcedEnd.fromExit(exit)).toEqual(Option.some(ForcedEnd.killed("Spin", ["lock file"])))
          expect(yield* pool.execute("Add", { a: 3, b: 3 })).toBe(6)
        })
      )
    )
  )

  it(
    "does not report a lease as lost that was released just before the kill",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const cells = makeCells()
          const thread = yield* pool.spawn("GiveBack", { cells, lease: "kept", returned: "given back" })
          yield* whenSet(cells, Cell.begun)
          const { lost } = yield* Thread.shutdown(thread, { escalation: { kill: "10 seconds" } })
          expect(lost.map(({ lease }) => lease)).toEqual(["kept"])
          expect(yield* Lease.tally(thread)).toMatchObject({ acquired: 2, released: 1, lost: 1 })
        })
      )
    )
  )

  it(
    "prints the reason and the asking thread with the Cause of an interrupted task",
    withPool((pool) =>
      Effect.gen(function* () {
        const cells = makeCells()
        const thread = yield* pool.spawn("Mark", { cells })
        yield* whenSet(cells, Cell.begun)
        const reason = CancelReason.interrupted({ message: "enough" })
        yield* Effect.flatMap(Thread.spawn(Thread.interrupt(thread, { reason }), { name: "boss" }), Thread.join)
        const exit = yield* Thread.await(thread)
        expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain('at Interrupted "enough", asked by "boss"')
      }).pipe(Effect.scoped)
    )
  )
})

describe("run", () => {
  it(
    "rejects with the signal's own reason after the finalizers",
    withPool((pool) =>
      Effect.gen(function* () {
        const cells = makeCells()
        const controller = new AbortController()
        const promise = pool.run("Mark", { cells }, { signal: controller.signal })
        yield* whenSet(cells, Cell.begun)
        const reason = new Error("the connection closed")
        controller.abort(reason)
        expect(yield* Effect.promise(() => promise.catch((error: unknown) => error))).toBe(reason)
        expect(Atomics.load(cells, Cell.cleanedUp)).toBe(1)
      })
    )
  )
})

describe("stream", () => {
  it(
    "is refused for a task without a stream, and required for a task with a stream",
    withPool((pool) =>
      Effect.gen(function* () {
        const payload = { to: 3, cells: makeCells() }
        // @ts-expect-error the task has a stream
        expect(misuseOf(yield* Effect.exit(pool.execute("Count", payload)))).toBe("WrongKind")
        // @ts-expect-error the task has a stream
        expect(misuseOf(yield* Effect.exit(Effect.scoped(pool.spawn("Count", payload))))).toBe("WrongKind")
        // @ts-expect-error the task has one value
        const added = Stream.runDrain(pool.stream("Add", { a: 1, b: 2 }))
        expect(misuseOf(yield* Effect.exit(added))).toBe("WrongKind")
      })
    )
  )

  it(
    "emits all elements in order, and is never far ahead of the consumer",
    withPool((pool) =>
      Effect.gen(function* () {
        const cells = makeCells()
        let furthest = 0
        const values = yield* pool.stream("Count", { to: 200, cells }).pipe(
          Stream.tap((n) =>
            Effect.sync(() => {
              furthest = Math.max(furthest, Atomics.load(cells, Cell.latest) - n)
            })
          ),
          Stream.runCollect
        )
        expect(values).toEqual(Array.from({ length: 200 }, (_, index) => index + 1))
        expect(furthest).toBeLessThan(20)
      })
    )
  )

  it(
    "ends the task and waits for its finalizers if the consumer takes only a part",
    withPool((pool) =>
      Effect.gen(function* () {
        const cells = makeCells()
        const values = yield* Stream.runCollect(Stream.take(pool.stream("Count", { to: 1e9, cells }), 3))
        expect(values).toEqual([1, 2, 3])
        expect(Atomics.load(cells, Cell.cleanedUp)).toBe(1)
        expect(yield* pool.execute("Add", { a: 1, b: 1 })).toBe(2)
      })
    )
  )
})

describe("faults", () => {
  for (const [task, payload] of [
    ["Exit", { code: 3 }],
    ["Crash", undefined],
    ["Garbage", undefined]
  ] as const) {
    it(
      `${task}: fails only the threads of that worker, and the pool replaces it`,
      withPool(
        (pool) =>
          Effect.gen(function* () {
            const cells = makeCells()
            const bystander = yield* Effect.forkChild(pool.execute("Mark", { cells }))
            yield* whenSet(cells, Cell.begun)
            const exit = yield* Effect.exit(pool.execute(task, payload as never))
            expect(workerErrorOf(exit)).toBe("WorkerExited")
            expect(yield* pool.execute("Add", { a: 1, b: 1 })).toBe(2)
            expect(bystander.pollUnsafe()).toBeUndefined()
          }),
        { size: 2 }
      )
    )
  }

  it("a worker that can't start fails the pool with a clear error", async () => {
    const exit = await Effect.runPromiseExit(
      Effect.scoped(
        makePool({
          spawn: (options) =>
            new Worker(new URL("./fixtures/does-not-exist.ts", import.meta.url), { ...options, stderr: true })
        })
      )
    )
    expect(workerErrorOf(exit)).toBe("SpawnFailed")
  })

  it("a spawn that is not a function is refused, and a spawn that returns no Worker is reported", async () => {
    expect((await bad("./worker.ts")).message).toContain('spawn: "./worker.ts" is not a function')
    expect((await bad(() => new URL("file:///worker.ts"))).message).toMatch(
      /spawn: it gave URL[^]*, which is not a Worker/
    )
  })

  it("bad options are refused by name", async () => {
    for (const options of [
      { size: 0 },
      { concurrency: 0.5 },
      { size: { min: 3, max: 2 } },
      { size: { min: 0, max: 1, idle: NaN } },
      { escalation: {} }
    ]) {
      expect(misuseOf(await Effect.runPromiseExit(Effect.scoped(makePool(options))))).toBe("InvalidOption")
    }
  })

  it(
    "a full queue fails a call if the pool is set not to wait",
    withPool(
      (pool) =>
        Effect.gen(function* () {
          const cells = makeCells()
          yield* Effect.forkChild(pool.execute("Mark", { cells }))
          yield* whenSet(cells, Cell.begun)
          yield* Effect.forkChild(pool.execute("Mark", { cells: makeCells() }), { startImmediately: true })
          const exit = yield* Effect.exit(pool.execute("Add", { a: 1, b: 1 }))
          expect(workerErrorOf(exit)).toBe("QueueFull")
        }),
      { queue: { bound: 1, whenFull: "fail" } }
    )
  )

  it(
    "a queue without places accepts as many tasks as workers can be started for, and no more",
    withPool(
      (pool) =>
        Effect.gen(function* () {
          const cells = makeCells()
          yield* Effect.forkChild(pool.execute("Mark", { cells }), { startImmediately: true })
          const early = yield* Effect.exit(pool.execute("Add", { a: 1, b: 1 }))
          yield* whenSet(cells, Cell.begun)
          const late = yield* Effect.exit(pool.execute("Add", { a: 1, b: 1 }))
          expect([early, late].map(workerErrorOf)).toEqual(["QueueFull", "QueueFull"])
        }),
      { size: { min: 0, max: 1 }, queue: { bound: 0, whenFull: "fail" } }
    )
  )
})

describe("unwind", () => {
  it(
    "ends a section that blocks the worker at once, runs the finalizers, and the worker survives",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const cells = makeCells()
          const thread = yield* pool.spawn("Hog", { cells })
          yield* whenSet(cells, Cell.begun)
          yield* Thread.interrupt(thread, { reason: CancelReason.interrupted({ message: "enough" }) })
          expect(Atomics.load(cells, Cell.cleanedUp)).toBe(1)
          const exit = yield* Thread.await(thread)
          expect(Option.map(CancelReason.fromExit(exit), (reason) => reason.message)).toEqual(Option.some("enough"))
          expect(yield* pool.execute("Add", { a: 1, b: 1 })).toBe(2)
          expect((yield* pool.status).workers).toBe(1)
        })
      )
    )
  )

  it(
    "lets a section with a grace notice the interrupt and clean up by itself",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const cells = makeCells()
          const thread = yield* pool.spawn("Tidy", { cells })
          yield* whenSet(cells, Cell.begun)
          yield* Thread.interrupt(thread, { reason: CancelReason.interrupted({ message: "enough" }) })
          expect(Atomics.load(cells, Cell.cleanedUp)).toBe(1)
          const exit = yield* Thread.await(thread)
          expect(Option.map(CancelReason.fromExit(exit), (reason) => reason.message)).toEqual(Option.some("enough"))
        })
      )
    )
  )

  it(
    "ends a handler that blocks the worker before it has returned its Effect",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const cells = makeCells()
          const thread = yield* pool.spawn("Eager", { cells })
          yield* whenSet(cells, Cell.begun)
          const report = yield* Thread.shutdown(thread, {
            escalation: {
              interrupt: "20 millis",
              unwind: "1 minute",
              kill: "5 seconds"
            }
          })
          expect(report.rung).toBe("unwind")
          expect(report.ending._tag).toBe("Interrupted")
          expect(yield* pool.execute("Add", { a: 1, b: 1 })).toBe(2)
        })
      )
    )
  )

  it(
    "ends code outside sections, after the grace of the rung before, and reports the place of the code",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const cells = makeCells()
          const thread = yield* pool.spawn("Spin", { cells, lease: "lock file" })
          yield* whenSet(cells, Cell.begun)
          const report = yield* Thread.shutdown(thread, {
            escalation: { interrupt: "20 millis", unwind: "1 minute" }
          })
          expect(report.rung).toBe("unwind")
          expect(report.ending._tag).toBe("Interrupted")
          expect(report.released.map((released) => released.lease)).toEqual(["lock file"])
          expect(report.attempts[0]).toMatchObject({
            _tag: "Outwaited",
            stack: expect.stringContaining("tasks.worker")
          })
          expect(yield* pool.execute("Add", { a: 1, b: 1 })).toBe(2)
        })
      )
    )
  )

  it(
    "searches the stack of a worker once outside sections, and the same halt provides the stack for the report",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const end = Effect.gen(function* () {
            const cells = makeCells()
            const thread = yield* pool.spawn("Spin", { cells, lease: "lock file" })
            yield* whenSet(cells, Cell.begun)
            const requests = vi.spyOn(Attachment.prototype, "post")
            const report = yield* Thread.shutdown(thread, {
              escalation: {
                stop: "20 millis",
                interrupt: "20 millis",
                unwind: "1 minute",
                kill: "5 seconds"
              }
            })
            const judged = requests.mock.calls.filter(([method, params]) => method === "Debugger.resume" && params)
            requests.mockRestore()
            return { report, judged }
          })
          // On a busy machine the worker may halt after the first outcome, and the report then has no stack.
          const { judged, report } = yield* Effect.repeat(end, {
            until: ({ report }) => report.attempts.some((attempt) => "stack" in attempt && attempt.stack !== null),
            times: 20
          })
          expect(report.rung).toBe("unwind")
          expect(judged).toHaveLength(1)
          expect(report.attempts).toMatchObject([
            { rung: "stop", stack: null },
            { rung: "interrupt", stack: expect.stringContaining("tasks.worker") },
            { rung: "unwind", _tag: "Ended" }
          ])
        })
      )
    )
  )

  it(
    "reports why the code of a killed thread could not be ended",
    withPool((pool) =>
      Effect.scoped(
        Effect.gen(function* () {
          const cells = makeCells()
          const thread = yield* pool.spawn("Masked", { cells })
          yield* whenSet(cells, Cell.begun)
          const report = yield* Thread.shutdown(thread, {
            escalation: {
              interrupt: "20 millis",
              unwind: "1 second",
              kill: "1 minute"
            }
          })
          expect(report.attempts.map(({ rung, _tag }) => [rung, _tag])).toEqual([
            ["interrupt", "Outwaited"],
            ["unwind", "Outwaited"],
            ["kill", "Ended"]
          ])
          expect(report.attempts.slice(0, 2)).toMatchObject([
            { why: null },
            { why: "its worker runs an uninterruptible section" }
          ])
        })
      )
    )
  )

  it("follows from the escalation when the pool's scope closes, also for calls from outside that scope", async () => {
    const cells = makeCells()
    const closing = Effect.gen(function* () {
      const pool = yield* makePool()
      const outside = pool.run("Hog", { cells }).then(
        () => "resolved",
        (error: unknown) => error
      )
      yield* whenSet(cells, Cell.begun)
      return { outside }
    })
    const { outside } = await Effect.runPromise(Effect.scoped(closing))
    expect(await outside).toBeInstanceOf(CancelReason.CancelError)
    expect(await outside).toMatchObject({ reason: { _tag: "Shutdown", message: "The pool's scope has closed" } })
    expect(Atomics.load(cells, Cell.cleanedUp)).toBe(1)
  })

  it(
    "leaves the other tasks of the same worker running",
    withPool(
      (pool) =>
        Effect.scoped(
          Effect.gen(function* () {
            const beside = makeCells()
            const neighbour = yield* pool.spawn("Mark", { cells: beside })
            yield* whenSet(beside, Cell.begun)
            const cells = makeCells()
            const hog = yield* pool.spawn("Hog", { cells })
            yield* whenSet(cells, Cell.begun)
            yield* Thread.interrupt(hog)
            expect(yield* Thread.isAlive(neighbour)).toBe(true)
            expect(Atomics.load(beside, 1)).toBe(0)
            yield* Thread.interrupt(neighbour)
            expect(Atomics.load(beside, 1)).toBe(1)
          })
        ),
      { concurrency: 2 }
    )
  )
})
