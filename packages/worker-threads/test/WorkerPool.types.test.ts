/** The types of a pool: the arguments of a call, and the pools that can replace another. The compiler checks them. */
import { Context, type Effect, type Layer, type Scope, type Stream, Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import type { Deadline, Thread } from "@quiesce/core"
import { type WorkerError, WorkerPool } from "@quiesce/worker-threads"
import { expectTypeOf, it } from "vitest"

class Few extends RpcGroup.make(
  Rpc.make("Add", { payload: { a: Schema.Number }, success: Schema.Number, error: Schema.String }),
  Rpc.make("Ping", {})
) {}

class More extends RpcGroup.make(
  Rpc.make("Add", { payload: { a: Schema.Number }, success: Schema.Number, error: Schema.String }),
  Rpc.make("Ping", {}),
  Rpc.make("Count", { payload: { to: Schema.Number }, success: Schema.Number, stream: true })
) {}

declare const more: WorkerPool.Of<typeof More>

/** Never called. */
const calls = {
  add: () => more.execute("Add", { a: 1 }),
  ping: () => more.execute("Ping"),
  pingThread: () => more.spawn("Ping", undefined, { name: "ping" }),
  pingPromise: () => more.run("Ping", undefined, { signal: AbortSignal.timeout(1) }),
  count: () => more.stream("Count", { to: 3 }),
  limited: () => more.execute("Add", { a: 1 }, { runWithin: "1 second", priority: 1 }),
  prior: () => more.execute("Add", { a: 1 }, { name: "first", priority: 1 }),
  perhapsLimited: (options: WorkerPool.CallOptions) => more.execute("Ping", undefined, options),
  limitedThread: () => more.spawn("Ping", undefined, { runWithin: 10 }),
  limitedStream: () => more.stream("Count", { to: 3 }, { runWithin: 10 }),
  limitedPool: (spawn: WorkerPool.Options["spawn"]) => WorkerPool.make(Few, { spawn, runWithin: "1 second" }),
  pool: (spawn: WorkerPool.Options["spawn"]) => WorkerPool.make(Few, { spawn, size: 1 }),
  // @ts-expect-error a priority is a number
  urgent: () => more.execute("Add", { a: 1 }, { priority: "high" }),
  // @ts-expect-error no call has such an option
  unknownOption: () => more.execute("Add", { a: 1 }, { prio: 1 }),
  // @ts-expect-error a payload that is needed can't be left out
  nothing: () => more.execute("Add"),
  // @ts-expect-error a task with a stream is not executed
  countOnce: () => more.execute("Count", { to: 3 }),
  // @ts-expect-error a task with one value is not streamed
  addStream: () => more.stream("Add", { a: 1 }),
  // @ts-expect-error the contract has no such task
  other: () => more.execute("Other"),
  // @ts-expect-error the payload has another type
  wrong: () => more.execute("Add", { a: "1" })
}

it("a call has the types of the contract", () => {
  expectTypeOf(calls.add).returns.toEqualTypeOf<Effect.Effect<number, string | WorkerError.WorkerError>>()
  expectTypeOf(calls.ping).returns.toEqualTypeOf<Effect.Effect<void, WorkerError.WorkerError>>()
  expectTypeOf(calls.pingThread).returns.toEqualTypeOf<
    Effect.Effect<Thread.Thread<void, WorkerError.WorkerError>, WorkerError.WorkerError, Scope.Scope>
  >()
  expectTypeOf(calls.pingPromise).returns.toEqualTypeOf<Promise<void>>()
  expectTypeOf(calls.count).returns.toEqualTypeOf<Stream.Stream<number, WorkerError.WorkerError>>()
})

it("a call with a limit may fail with DeadlineExceeded, and so may each call of a pool with a limit", () => {
  type Failure = WorkerError.WorkerError | Deadline.DeadlineExceeded
  expectTypeOf(calls.limited).returns.toEqualTypeOf<Effect.Effect<number, string | Failure>>()
  expectTypeOf(calls.prior).returns.toEqualTypeOf<Effect.Effect<number, string | WorkerError.WorkerError>>()
  expectTypeOf(calls.perhapsLimited).returns.toEqualTypeOf<Effect.Effect<void, Failure>>()
  expectTypeOf(calls.limitedThread).returns.toEqualTypeOf<
    Effect.Effect<Thread.Thread<void, Failure>, WorkerError.WorkerError, Scope.Scope>
  >()
  expectTypeOf(calls.limitedStream).returns.toEqualTypeOf<Stream.Stream<number, Failure>>()
  expectTypeOf(calls.limitedPool).returns.toEqualTypeOf<
    Effect.Effect<WorkerPool.Of<typeof Few, Failure>, WorkerError.WorkerError, Scope.Scope>
  >()
  expectTypeOf(calls.pool).returns.toEqualTypeOf<
    Effect.Effect<WorkerPool.Of<typeof Few>, WorkerError.WorkerError, Scope.Scope>
  >()
})

it("a pool of more tasks can replace a pool of fewer, and not the other way round", () => {
  expectTypeOf<WorkerPool.Of<typeof More>>().toExtend<WorkerPool.Of<typeof Few>>()
  expectTypeOf<WorkerPool.Of<typeof Few>>().not.toExtend<WorkerPool.Of<typeof More>>()
})

it("a layer has the service of its tag", () => {
  class FewWorkers extends Context.Service<FewWorkers, WorkerPool.Of<typeof Few>>()("FewWorkers") {}
  const layer = (options: Omit<WorkerPool.Options, "runWithin">) => WorkerPool.layer(FewWorkers, Few, options)
  expectTypeOf(layer).returns.toEqualTypeOf<Layer.Layer<FewWorkers, WorkerError.WorkerError>>()
  type Failure = WorkerError.WorkerError | Deadline.DeadlineExceeded
  class Limited extends Context.Service<Limited, WorkerPool.Of<typeof Few, Failure>>()("Limited") {}
  const limited = (options: WorkerPool.Options) => WorkerPool.layer(Limited, Few, options)
  expectTypeOf(limited).returns.toEqualTypeOf<Layer.Layer<Limited, WorkerError.WorkerError>>()
})

it("a thread has the types of its value and its error", () => {
  expectTypeOf<Thread.Thread.Success<Thread.Thread<number, string>>>().toEqualTypeOf<number>()
  expectTypeOf<Thread.Thread.Error<Thread.Thread<number, string>>>().toEqualTypeOf<string>()
})
