/** The Schemas of a contract need services: of the caller on the host, and of the layer in the worker. */
import { Thread } from "@quiesce/core"
import { ThreadWorker, type WorkerError, WorkerPool } from "@quiesce/worker-threads"
import { Effect, type Layer, type Scope, Stream } from "effect"
import { Worker } from "node:worker_threads"
import { expect, expectTypeOf, it } from "vitest"
import { Shift, Shifts } from "./fixtures/shifted.ts"

const url = new URL("./fixtures/shifted.worker.ts", import.meta.url)

const pool = WorkerPool.make(Shifts, { spawn: (options) => new Worker(url, options), size: 1 })

it("the services of Schemas encode payloads and decode values, errors and elements: execute, spawn, stream", () =>
  Effect.gen(function* () {
    const made = yield* pool
    // The worker shifts by 100.
    expect(yield* made.execute("Send", { n: 5 })).toBe(5 + 1 - 100)
    expect(yield* made.execute("Give", { n: 5 })).toBe(5 + 100 - 1)
    expect(yield* Effect.flip(made.execute("Fail", { n: 5 }))).toBe(5 + 100 - 1)
    expect(yield* Effect.flatMap(made.spawn("Give", { n: 6 }), Thread.join)).toBe(6 + 100 - 1)
    expect(yield* Stream.runCollect(made.stream("List", { n: 5 }))).toEqual([104, 105])
    expect(yield* Effect.promise(() => made.run("Plain"))).toBe(7)
  }).pipe(Effect.scoped, Effect.provideService(Shift, 1), Effect.runPromise))

it("the services of Schemas belong to their caller, also while tasks run concurrently", () =>
  Effect.gen(function* () {
    const made = yield* pool
    const shifts = Array.from({ length: 20 }, (_, shift) => shift)
    const given = yield* Effect.forEach(
      shifts,
      (shift) => Effect.provideService(made.execute("Give", { n: 0 }), Shift, shift),
      { concurrency: "unbounded" }
    )
    expect(given).toEqual(shifts.map((shift) => 100 - shift))
  }).pipe(Effect.scoped, Effect.runPromise))

declare const made: WorkerPool.Of<typeof Shifts>

/** Never called. */
const calls = {
  execute: () => made.execute("Send", { n: 1 }),
  spawn: () => made.spawn("Give", { n: 1 }),
  stream: () => made.stream("List", { n: 1 }),
  plain: () => made.execute("Plain"),
  // @ts-expect-error a Promise can't have the services of the Schemas
  run: () => made.run("Send", { n: 1 }),
  // @ts-expect-error the layer of the worker lacks the services of the Schemas
  main: () => ThreadWorker.main(Shifts, {} as Layer.Layer<Exclude<LayerOfShifts, Shift>>)
}

type LayerOfShifts =
  Parameters<typeof ThreadWorker.main<Rpcs, never>>[1] extends Layer.Layer<infer Out, never> ? Out : never
type Rpcs = typeof Shifts extends { readonly requests: ReadonlyMap<string, infer R> } ? R : never

it("the services of Schemas are in the type of each call, and of the worker's layer", () => {
  expectTypeOf(calls.execute).returns.toEqualTypeOf<Effect.Effect<number, WorkerError.WorkerError, Shift>>()
  expectTypeOf(calls.spawn).returns.toEqualTypeOf<
    Effect.Effect<Thread.Thread<number, WorkerError.WorkerError>, WorkerError.WorkerError, Shift | Scope.Scope>
  >()
  expectTypeOf(calls.stream).returns.toEqualTypeOf<Stream.Stream<number, WorkerError.WorkerError, Shift>>()
  expectTypeOf(calls.plain).returns.toEqualTypeOf<Effect.Effect<number, WorkerError.WorkerError>>()
})
