/** A release in a worker that fails while its call is interrupted. The caller is notified of the failure. */
import { Worker } from "node:worker_threads"
import { Thread } from "@quiesce/core"
import { RpcProtocol, WorkerPool } from "@quiesce/worker-threads"
import { Cause, Effect, Exit, Fiber, Logger, Stream } from "effect"
import { RpcClient } from "effect/rpc"
import { describe, expect, it, vi } from "vitest"
import { Cell } from "./fixtures/cells.ts"
import { makeCells, message, Tasks } from "./fixtures/failing-cleanup.ts"
import { whenSet } from "./support.ts"

const url = new URL("./fixtures/failing-cleanup.worker.ts", import.meta.url)
const rpc = new URL("./fixtures/failing-cleanup-rpc.worker.ts", import.meta.url)
const protocol = RpcProtocol.layerClient({ spawn: (options) => new Worker(rpc, options), size: 1 })
const makePool = (options?: Partial<WorkerPool.Options>) =>
  WorkerPool.make(Tasks, { spawn: (options) => new Worker(url, options), size: 1, ...options })

const reasonsOf = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit)
    ? exit.cause.reasons.map((reason) => (Cause.isDieReason(reason) ? String(reason.defect) : reason._tag))
    : []

/** The logged lines, and a layer that collects them. */
const makeLog = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ cause, message }) => void lines.push(`${String(message)}: ${Cause.pretty(cause)}`))
  return { lines, logged: Effect.provide(Logger.layer([logger])) }
}

/** Interrupts an effect as soon as its worker holds the lease. */
const interrupted = Effect.fnUntraced(function* <A, E>(
  call: (cells: Int32Array<SharedArrayBuffer>) => Effect.Effect<A, E>
) {
  const cells = makeCells()
  const fiber = yield* Effect.forkChild(call(cells), { startImmediately: true })
  yield* whenSet(cells, Cell.begun)
  yield* Fiber.interrupt(fiber)
  return yield* Fiber.await(fiber)
})

describe("an interrupted pool.execute", () => {
  it("has the failure of a release in its Cause, beside the interruption", () =>
    Effect.gen(function* () {
      const pool = yield* makePool()
      const exit = yield* interrupted((cells) => pool.execute("Hold", { cells }))
      expect(reasonsOf(exit)).toEqual(["Interrupt", expect.stringContaining(message)])
    }).pipe(Effect.scoped, Effect.runPromise))

  it("also has the failure if the task has a middleware", () =>
    Effect.gen(function* () {
      const pool = yield* makePool()
      const exit = yield* interrupted((cells) => pool.execute("HoldBehind", { cells }))
      expect(reasonsOf(exit)).toEqual(["Interrupt", expect.stringContaining(message)])
    }).pipe(Effect.scoped, Effect.runPromise))

  it("also has the failure if the call had to wait for room in the queue", () =>
    Effect.gen(function* () {
      const pool = yield* makePool({ queue: { bound: 0, whenFull: "wait" } })
      const first = makeCells()
      const holder = yield* pool.spawn("Hold", { cells: first })
      yield* whenSet(first, Cell.begun)
      const cells = makeCells()
      const fiber = yield* Effect.forkChild(pool.execute("Hold", { cells }), { startImmediately: true })
      yield* Thread.interrupt(holder)
      yield* whenSet(cells, Cell.begun)
      yield* Fiber.interrupt(fiber)
      expect(reasonsOf(yield* Fiber.await(fiber))).toEqual(["Interrupt", expect.stringContaining(message)])
    }).pipe(Effect.scoped, Effect.runPromise))
})

describe("an aborted pool.run", () => {
  it("rejects with the reason, and logs the failure of a release", () =>
    Effect.gen(function* () {
      const log = vi.spyOn(console, "log").mockImplementation(() => {})
      const error = vi.spyOn(console, "error").mockImplementation(() => {})
      const pool = yield* makePool()
      const cells = makeCells()
      const controller = new AbortController()
      const running = pool.run("Hold", { cells }, { signal: controller.signal })
      yield* whenSet(cells, Cell.begun)
      controller.abort("enough")
      const rejection = yield* Effect.promise(() => running.catch((reason: unknown) => reason))
      expect(rejection).toBe("enough")
      const lines = [...log.mock.calls, ...error.mock.calls].flat().join(" ")
      expect(lines).toContain("A finalizer failed after an abort")
      expect(lines).toContain(message)
      vi.restoreAllMocks()
    }).pipe(Effect.scoped, Effect.runPromise))
})

describe("a stream that is ended early", () => {
  it("logs the failure of a release", () =>
    Effect.gen(function* () {
      const pool = yield* makePool()
      const { lines, logged } = makeLog()
      const cells = makeCells()
      yield* pool.stream("Count", { cells }).pipe(Stream.take(3), Stream.runDrain, logged)
      expect(lines).toEqual([expect.stringContaining(`A finalizer failed after a stream was ended early: `)])
      expect(lines[0]).toContain(message)
    }).pipe(Effect.scoped, Effect.runPromise))
})

describe("a call of Effect's RPC", () => {
  const interruptedCall = "A finalizer failed after a call was interrupted: "

  for (const task of ["Hold", "HoldForCall", "HoldBehind"] as const) {
    it(`logs the failure of a release once if it is interrupted: ${task}`, () => {
      const { lines, logged } = makeLog()
      return Effect.gen(function* () {
        const client = yield* RpcClient.make(Tasks)
        const exit = yield* interrupted((cells) => client[task]({ cells }))
        expect(reasonsOf(exit)).toEqual(["Interrupt"])
        expect(lines).toEqual([expect.stringContaining(interruptedCall)])
        expect(lines[0]).toContain(message)
      }).pipe(Effect.scoped, logged, Effect.provide(protocol), Effect.runPromise)
    })
  }

  it("logs the failure in the worker if the call already has its reply", () => {
    const log: Array<string> = []
    const logged = Promise.withResolvers<void>()
    const spawn: WorkerPool.Options["spawn"] = (options) => {
      const worker = new Worker(rpc, { ...options, stdout: true })
      worker.stdout.setEncoding("utf8").on("data", (text: string) => {
        log.push(text)
        if (log.join("").includes(message)) logged.resolve()
      })
      return worker
    }
    return Effect.gen(function* () {
      const client = yield* RpcClient.make(Tasks)
      yield* client.Return({ cells: makeCells() })
      yield* Effect.promise(() => logged.promise)
      expect(log.join("")).toContain("A finalizer failed after the reply to a call")
    }).pipe(Effect.scoped, Effect.provide(RpcProtocol.layerClient({ spawn, size: 1 })), Effect.runPromise)
  })

  it("logs the failure once if the scope of its client closes", () => {
    const { lines, logged } = makeLog()
    return Effect.gen(function* () {
      const cells = makeCells()
      const calling = Effect.gen(function* () {
        const client = yield* RpcClient.make(Tasks)
        yield* Effect.forkDetach(client.Hold({ cells }), { startImmediately: true })
        yield* whenSet(cells, Cell.begun)
      })
      yield* Effect.scoped(calling)
      expect(lines).toEqual([expect.stringContaining(interruptedCall)])
      expect(lines[0]).toContain(message)
    }).pipe(logged, Effect.provide(protocol), Effect.runPromise)
  })

  it("logs the failure once if the call is a stream that is ended early", () => {
    const { lines, logged } = makeLog()
    return Effect.gen(function* () {
      const client = yield* RpcClient.make(Tasks)
      const cells = makeCells()
      yield* Stream.runDrain(Stream.take(client.Count({ cells }), 3))
      expect(lines).toEqual([expect.stringContaining(interruptedCall)])
      expect(lines[0]).toContain(message)
    }).pipe(Effect.scoped, logged, Effect.provide(protocol), Effect.runPromise)
  })
})
