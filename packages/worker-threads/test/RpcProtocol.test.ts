import { CancelReason, Deadline, Abort, Thread } from "@quiesce/core"
import * as NodeWorker from "@effect/platform-node/NodeWorker"
import { HostLease, RpcProtocol, WorkerError, type WorkerPool } from "@quiesce/worker-threads"
import { Cause, DateTime, Duration, Effect, Exit, Fiber, Layer, Option, Schema, Stream } from "effect"
import { RpcClient, RpcClientError, RpcWorker } from "effect/rpc"
import { TestClock } from "effect/testing"
import { Worker } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import { cell, Jobs, Kept, makeCells, Refused } from "./fixtures/rpc-contract.ts"
import { whenSet } from "./support.ts"

const worker = new URL("./fixtures/rpc.worker.ts", import.meta.url)
const effectsWorker = new URL("./fixtures/rpc-effect.worker.ts", import.meta.url)

const protocol = (options?: Partial<WorkerPool.Options>) =>
  RpcProtocol.layerClient({ spawn: (options) => new Worker(worker, options), size: 1, ...options })

/** Effect's own protocol, as a comparison. */
const effects = (options?: { readonly size?: number; readonly concurrency?: number }) =>
  RpcClient.layerProtocolWorker({ size: 1, ...options }).pipe(
    Layer.provide(NodeWorker.layer(() => new Worker(effectsWorker)))
  )

const makeClient = RpcClient.make(Jobs)
type Client = Effect.Success<typeof makeClient>

/** Runs a test with a client of its own. */
const withClient =
  (f: (client: Client) => Effect.Effect<void, unknown>, layer: Layer.Layer<RpcClient.Protocol, unknown> = protocol()) =>
  (): Promise<void> =>
    makeClient.pipe(Effect.flatMap(f), Effect.scoped, Effect.provide(layer), Effect.runPromise)

/** Starts a call and waits until its handler has begun. */
const begin = Effect.fnUntraced(function* <A, E>(
  call: (_: { readonly cells: Int32Array<SharedArrayBuffer> }) => Effect.Effect<A, E>
) {
  const cells = makeCells()
  const fiber = yield* Effect.forkChild(call({ cells }), { startImmediately: true })
  yield* whenSet(cells, cell.begun)
  return { cells, fiber }
})

const open = (cells: Int32Array<SharedArrayBuffer>): void => {
  Atomics.store(cells, cell.mayRelease, 1)
  Atomics.notify(cells, cell.mayRelease)
}

const failureOf = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined

/** Crashes one worker while a call runs on another. */
const crash = (client: Client) =>
  Effect.gen(function* () {
    const { cells, fiber: other } = yield* begin(client.Wait)
    const exit = yield* Effect.exit(client.Exit({ cells: makeCells() }))
    expect(failureOf(exit)).toBeInstanceOf(RpcClientError.RpcClientError)
    return { cells, exit, other }
  })

describe("Effect's own protocol", () => {
  it(
    "returns from an interrupt before the finalizer of the handler has run",
    withClient(
      (client) =>
        Effect.gen(function* () {
          const { cells, fiber } = yield* begin(client.Wait)
          yield* Fiber.interrupt(fiber)
          expect(Atomics.load(cells, cell.released)).toBe(0)
          open(cells)
          yield* whenSet(cells, cell.released)
        }),
      effects()
    )
  )

  it(
    "replies before the resources of the handler have been released",
    withClient(
      (client) =>
        Effect.gen(function* () {
          const cells = makeCells()
          yield* client.Return({ cells })
          expect(Atomics.load(cells, cell.released)).toBe(0)
          open(cells)
          yield* whenSet(cells, cell.released)
        }),
      effects()
    )
  )

  it(
    "fails all calls of a client when one handler dies",
    withClient(
      (client) =>
        Effect.gen(function* () {
          const { fiber } = yield* begin(client.Wait)
          yield* Effect.exit(client.Die({ message: "boom" }))
          const exit = yield* Fiber.await(fiber)
          expect(Exit.isFailure(exit) && String(Cause.squash(exit.cause))).toContain("boom")
        }),
      effects({ concurrency: 2 })
    )
  )

  it(
    "fails the calls on all workers when one worker crashes",
    withClient(
      (client) =>
        Effect.gen(function* () {
          const { other } = yield* crash(client)
          expect(failureOf(yield* Fiber.await(other))).toBeInstanceOf(RpcClientError.RpcClientError)
        }),
      effects({ size: 2 })
    )
  )

  it("closes the scope of a client before its calls have ended", () =>
    Effect.gen(function* () {
      const cells = makeCells()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* makeClient
          yield* Effect.forkDetach(client.Wait({ cells }), { startImmediately: true })
          yield* whenSet(cells, cell.begun)
        })
      )
      expect(Atomics.load(cells, cell.released)).toBe(0)
      open(cells)
      yield* whenSet(cells, cell.released)
    }).pipe(Effect.provide(effects()), Effect.runPromise))
})

describe("a call", () => {
  it(
    "succeeds with the value, encoded by the contract",
    withClient((client) =>
      Effect.gen(function* () {
        expect(yield* client.Add({ a: 1, b: 2 })).toBe(3)
        expect(yield* client.Year({ date: DateTime.makeUnsafe("2021-05-06") })).toEqual(Option.some(2021))
      })
    )
  )

  it(
    "fails with the declared error, as an instance of its class",
    withClient((client) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(client.Fail({ page: 4 }))
        expect(error).toBeInstanceOf(Refused)
        expect(error).toMatchObject({ page: 4 })
      })
    )
  )

  it(
    "has its middleware and its headers",
    withClient((client) =>
      Effect.gen(function* () {
        expect(yield* client.Whoami(undefined, { headers: { name: "Ada" } })).toBe("Ada")
        expect(yield* client.Whoami().pipe(RpcClient.withHeaders({ name: "Grace" }))).toBe("Grace")
        expect(yield* Effect.flip(client.Whoami())).toEqual(new Refused({ page: 401 }))
      })
    )
  )

  it(
    "transfers transferable values in both directions",
    withClient((client) =>
      Effect.gen(function* () {
        const bytes = new Uint8Array([1, 2, 3])
        expect(yield* client.Reverse({ bytes })).toEqual(new Uint8Array([3, 2, 1]))
        expect(bytes.byteLength).toBe(0)
      })
    )
  )

  it(
    "is a thread in the worker, which sees the deadline of the call",
    withClient((client) =>
      Effect.gen(function* () {
        const { left, thread } = yield* Deadline.within(client.Place(), "1 hour")
        expect(thread).toBe("Place")
        expect(left).toBeGreaterThan(0)
        expect(left).toBeLessThanOrEqual(Duration.toMillis("1 hour"))
        expect((yield* client.Place()).left).toBe(Infinity)
      })
    )
  )

  it(
    "returns after the resources of the handler have been released",
    withClient((client) =>
      Effect.gen(function* () {
        const cells = makeCells()
        const fiber = yield* Effect.forkChild(client.Return({ cells }), { startImmediately: true })
        yield* whenSet(cells, cell.releasing)
        expect(fiber.pollUnsafe()).toBeUndefined()
        open(cells)
        yield* Fiber.join(fiber)
        expect(Atomics.load(cells, cell.released)).toBe(1)
      })
    )
  )

  it(
    "fails if its value can't be cloned",
    withClient((client) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(client.Unclonable())
        expect(Exit.isFailure(exit) && String(Cause.squash(exit.cause))).toContain("could not be cloned")
      })
    )
  )

  it(
    "completes if no fiber waits for the result",
    withClient((client) =>
      Effect.gen(function* () {
        expect(yield* client.Add({ a: 1, b: 2 }, { discard: true })).toBeUndefined()
      })
    )
  )

  it(
    "reads the initial message of its client",
    withClient(
      (client) => Effect.map(client.Initial(), (message) => expect(message).toBe("hello")),
      Layer.provide(protocol(), RpcWorker.layerInitialMessage(Schema.String, Effect.succeed("hello")))
    )
  )

  it(
    "whose handler dies does not affect the other calls on the worker",
    withClient(
      (client) =>
        Effect.gen(function* () {
          const { cells, fiber } = yield* begin(client.Wait)
          const exit = yield* Effect.exit(client.Die({ message: "boom" }))
          expect(Exit.isFailure(exit) && String(Cause.squash(exit.cause))).toContain("boom")
          expect(yield* client.Add({ a: 1, b: 2 })).toBe(3)
          expect(fiber.pollUnsafe()).toBeUndefined()
          open(cells)
          yield* Fiber.interrupt(fiber)
          expect(Atomics.load(cells, cell.released)).toBe(1)
        }),
      protocol({ concurrency: 3 })
    )
  )
})

describe("an interrupt", () => {
  it.each(["Wait", "Hold", "Later"] as const)("returns after the finalizer of the handler: %s", (name) =>
    withClient((client) =>
      Effect.gen(function* () {
        const { cells, fiber } = yield* begin(client[name])
        const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
        yield* whenSet(cells, cell.releasing)
        expect(interrupting.pollUnsafe()).toBeUndefined()
        expect(Atomics.load(cells, cell.released)).toBe(0)
        open(cells)
        yield* Fiber.join(interrupting)
        expect(Atomics.load(cells, cell.released)).toBe(1)
        expect(yield* client.Add({ a: 1, b: 2 })).toBe(3)
      })
    )()
  )

  it(
    "of the calling thread reaches the handler and its finalizers with the reason",
    withClient((client) =>
      Effect.gen(function* () {
        const cells = makeCells()
        open(cells)
        const thread = yield* Thread.spawn(client.Wait({ cells }))
        yield* whenSet(cells, cell.begun)
        yield* Thread.interrupt(thread, { reason: CancelReason.shutdown({ message: "Tea time" }) })
        const exit = yield* Thread.await(thread)
        expect(Option.getOrThrow(CancelReason.fromExit(exit))).toMatchObject({ _tag: "Shutdown", message: "Tea time" })
        expect(yield* client.Reason()).toEqual({ finalizer: "Tea time", signal: "Tea time" })
      }).pipe(Effect.scoped)
    )
  )

  it(
    "by an AbortSignal reaches the handler with the reason, and the Promise rejects with that reason itself",
    withClient((client) =>
      Effect.gen(function* () {
        const cells = makeCells()
        open(cells)
        const controller = new AbortController()
        const why = new Error("Tea time")
        const promise = Abort.run(client.Wait({ cells }), { signal: controller.signal })
        yield* whenSet(cells, cell.begun)
        controller.abort(why)
        expect(yield* Effect.flip(Effect.tryPromise({ try: () => promise, catch: (error) => error }))).toBe(why)
        expect(Atomics.load(cells, cell.released)).toBe(1)
        expect(yield* client.Reason()).toEqual({ finalizer: "Aborted: Tea time", signal: "Aborted: Tea time" })
      })
    )
  )

  it(
    "by a deadline reaches the handler with the deadline as its reason",
    withClient((client) =>
      Effect.gen(function* () {
        const cells = makeCells()
        open(cells)
        const error = yield* Effect.gen(function* () {
          const call = Deadline.within(client.Wait({ cells }), "1 hour")
          const fiber = yield* Effect.forkChild(Effect.flip(call), { startImmediately: true })
          yield* whenSet(cells, cell.begun)
          yield* TestClock.adjust("1 hour")
          return yield* Fiber.join(fiber)
        }).pipe(Effect.provide(TestClock.layer()))
        expect(error).toMatchObject({ _tag: "DeadlineExceeded" })
        expect((yield* client.Reason()).finalizer).toBe("The deadline has passed")
      })
    )
  )

  it("reaches the calls of a client whose scope ends", () =>
    Effect.gen(function* () {
      const cells = makeCells()
      open(cells)
      const fiber = yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* makeClient
          const fiber = yield* Effect.forkDetach(client.Wait({ cells }), { startImmediately: true })
          yield* whenSet(cells, cell.begun)
          return fiber
        })
      )
      expect(Atomics.load(cells, cell.released)).toBe(1)
      expect(Exit.hasInterrupts(yield* Fiber.await(fiber))).toBe(true)
    }).pipe(Effect.provide(protocol()), Effect.runPromise))

  it(
    "lets all finalizers of the call run, at each step at which it comes",
    withClient((client) =>
      Effect.gen(function* () {
        for (let turns = 0; turns < 100; turns++) {
          const cells = makeCells()
          open(cells)
          const fiber = yield* Effect.forkChild(client.Wait({ cells }), { startImmediately: true })
          for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow
          yield* Fiber.interrupt(fiber)
          expect(Atomics.load(cells, cell.released)).toBe(Atomics.load(cells, cell.begun))
        }
        expect(yield* client.Add({ a: 1, b: 2 })).toBe(3)
      })
    )
  )
})

it(
  "a handler does not begin after its call was interrupted in the worker",
  withClient((client) =>
    Effect.gen(function* () {
      const cells = makeCells()
      open(cells)
      expect(Exit.isFailure(yield* Effect.exit(client.WaitInterrupted({ cells })))).toBe(true)
      // The handler would begin before the handler of a later call.
      expect(yield* client.Add({ a: 1, b: 2 })).toBe(3)
      expect(Atomics.load(cells, cell.released)).toBe(Atomics.load(cells, cell.begun))
    })
  )
)

describe("a handler that blocks its worker", () => {
  it.each([
    ["Hog", 1],
    ["Spin", 1],
    ["SpinEarly", 0]
  ] as const)("is ended, its resources are released, and the worker survives: %s", (name, released) =>
    withClient(
      (client) =>
        Effect.gen(function* () {
          const before = yield* client.Place()
          const { cells, fiber } = yield* begin(client[name])
          yield* Fiber.interrupt(fiber)
          expect(Atomics.load(cells, cell.released)).toBe(released)
          expect(yield* client.Place()).toEqual(before)
        }),
      // The default grace of an unwind is too short for a busy machine.
      protocol({ escalation: { interrupt: "1 second", unwind: "1 minute", kill: "1 second" } })
    )()
  )

  it(
    "is killed with its worker if the handler can't be ended, and the worker is replaced",
    withClient(
      (client) =>
        Effect.gen(function* () {
          const before = yield* client.Place()
          const cells = makeCells()
          const thread = yield* Thread.spawn(client.Stubborn({ cells }))
          yield* whenSet(cells, cell.begun)
          const report = yield* Thread.shutdown(thread)
          expect(report.lost).toMatchObject([{ lease: "stubborn", thread: "Stubborn" }])
          expect(Atomics.load(cells, cell.released)).toBe(0)
          expect((yield* client.Place()).worker).not.toBe(before.worker)
        }).pipe(Effect.scoped),
      protocol({ escalation: { interrupt: 10, unwind: 10, kill: "10 seconds" } })
    )
  )
})

it("a lease that the host keeps for a call is released before the call ends", () => {
  const kept: Array<string> = []
  const hold = Effect.acquireRelease(
    Effect.sync(() => kept.push("acquired")),
    () => Effect.sync(() => kept.push("released"))
  )
  const layer = protocol({
    escalation: { interrupt: 10, unwind: 10, kill: "10 seconds" },
    hostLeases: [HostLease.handler(Kept, () => Effect.asVoid(hold))]
  })
  return withClient(
    (client) =>
      Effect.gen(function* () {
        const { fiber } = yield* begin(client.Keep)
        expect(kept).toEqual(["acquired"])
        yield* Fiber.interrupt(fiber)
        expect(kept).toEqual(["acquired", "released"])
      }),
    layer
  )()
})

describe("a worker that ends during its calls", () => {
  it(
    "fails only its own calls, by name, and is replaced",
    withClient(
      (client) =>
        Effect.gen(function* () {
          const { cells, exit, other } = yield* crash(client)
          expect(failureOf(exit)).toMatchObject({
            reason: { _tag: "WorkerReceiveError", cause: { reason: { _tag: "WorkerExited", code: 3 } } }
          })
          expect(yield* client.Add({ a: 1, b: 2 })).toBe(3)
          expect(other.pollUnsafe()).toBeUndefined()
          open(cells)
          yield* Fiber.interrupt(other)
          expect(Atomics.load(cells, cell.released)).toBe(1)
        }),
      protocol({ size: 2 })
    )
  )
})

describe("a stream", () => {
  it(
    "emits its elements, and then the error that the contract declares",
    withClient((client) =>
      Effect.gen(function* () {
        const seen: Array<number> = []
        const counted = Stream.runForEach(client.Count({ to: 40, cells: makeCells() }), (n) =>
          Effect.sync(() => seen.push(n))
        )
        expect(yield* Effect.flip(counted)).toEqual(new Refused({ page: 40 }))
        expect(seen).toEqual(Array.from({ length: 40 }, (_, index) => index + 1))
      })
    )
  )

  it(
    "ends at any element, after the finalizers of the handler, which is never far ahead",
    withClient((client) =>
      Effect.gen(function* () {
        for (let taken = 0; taken < 8; taken++) {
          const cells = makeCells()
          const counted = client.Count({ to: 1000, cells }, { streamBufferSize: 1 })
          const seen = yield* Stream.runCollect(Stream.take(counted, taken))
          expect(seen).toHaveLength(taken)
          expect(Atomics.load(cells, cell.released)).toBe(taken === 0 ? 0 : 1)
          expect(Atomics.load(cells, cell.begun)).toBeLessThanOrEqual(taken + 3)
        }
      })
    )
  )
})

describe("the two ends of the protocol", () => {
  it("fail if the worker uses Effect's own protocol", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Layer.build(protocol({ spawn: (options) => new Worker(effectsWorker, options) })))
      const error = failureOf(exit)
      expect(error).toBeInstanceOf(WorkerError.WorkerError)
      expect(String(error)).toContain("Provide it with RpcProtocol.layerServer")
    }).pipe(Effect.scoped, Effect.runPromise))

  it("fail if the client does not start the worker", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(RpcProtocol.layerServer))
      expect(error.message).toContain("layerClient")
    }).pipe(Effect.scoped, Effect.runPromise))
})
