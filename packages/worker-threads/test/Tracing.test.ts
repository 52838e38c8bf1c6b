import { Thread } from "@quiesce/core"
import { HostLease, Task, WorkerPool } from "@quiesce/worker-threads"
import { Effect, Option, Tracer } from "effect"
import { Worker } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import { decodeToWorker } from "../src/internal/wire/toWorker.ts"
import { Kept, Traced } from "./fixtures/traced.ts"

const url = new URL("./fixtures/traced.worker.ts", import.meta.url)

const pool = WorkerPool.make(Traced, { spawn: (options) => new Worker(url, options), size: 1 })

const makeTracer = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, traced: Effect.provideService(Tracer.Tracer, tracer) }
}

type Recorded = ReadonlyArray<{ readonly name: string; readonly spanId: string; readonly parent: string | null }>

const idOf = (spans: Recorded, name: string): string | undefined => spans.find((span) => span.name === name)?.spanId

const parentOf = (spans: Recorded, name: string): string | null | undefined =>
  spans.find((span) => span.name === name)?.parent

describe("the span of a call", () => {
  it("has the time in the queue, and the handler's span in the worker as its child", async () => {
    const { spans, traced } = makeTracer()
    const inWorker = await Effect.gen(function* () {
      const workers = yield* pool
      yield* Effect.withSpan(workers.execute("Leaf", { text: "a" }), "caller")
      return yield* Effect.withTracerEnabled(workers.execute("Spans", undefined), false)
    }).pipe(Effect.scoped, traced, Effect.runPromise)
    const [caller, call] = spans as [Tracer.NativeSpan, Tracer.NativeSpan]
    expect(spans.map(({ kind, name }) => [name, kind])).toEqual([
      ["caller", "internal"],
      ["WorkerPool.Leaf", "client"]
    ])
    expect(Option.getOrUndefined(call.parent)).toBe(caller)
    expect(call.events.map(([name, _, attributes]) => [name, attributes])).toEqual([
      ["started", { queuedMillis: expect.any(Number) }]
    ])
    expect(call.status).toMatchObject({ _tag: "Ended", exit: { _tag: "Success" } })
    const ofLeaf = inWorker.filter(({ traceId }) => traceId === caller.traceId)
    expect(ofLeaf.map(({ hasEnded, kind, name }) => [name, kind, hasEnded])).toEqual([
      ["ThreadWorker.Leaf", "server", true],
      ["inside", "internal", true],
      ["Lease.acquire.file", "internal", true],
      ["Lease.release.file", "internal", true]
    ])
    expect(parentOf(ofLeaf, "ThreadWorker.Leaf")).toBe(call.spanId)
    for (const name of ["Lease.acquire.file", "Lease.release.file"]) {
      expect(parentOf(ofLeaf, name)).toBe(idOf(ofLeaf, "inside"))
    }
    // A caller without a tracer starts no trace. The handler starts its own.
    expect(parentOf(inWorker, "ThreadWorker.Spans")).toBe(null)
  })

  it("continues in a worker of the worker", async () => {
    const { spans, traced } = makeTracer()
    const { outer, nested } = await Effect.gen(function* () {
      const workers = yield* pool
      const nested = yield* workers.execute("Nested", undefined)
      return { nested, outer: yield* workers.execute("Spans", undefined) }
    }).pipe(Effect.scoped, traced, Effect.runPromise)
    const [call] = spans as [Tracer.NativeSpan]
    expect(parentOf(outer, "ThreadWorker.Nested")).toBe(call.spanId)
    expect(parentOf(outer, "WorkerPool.Leaf")).toBe(idOf(outer, "ThreadWorker.Nested"))
    expect(parentOf(nested, "ThreadWorker.Leaf")).toBe(idOf(outer, "WorkerPool.Leaf"))
    expect(new Set(nested.map(({ traceId }) => traceId))).toEqual(new Set([call.traceId]))
  })

  it("ends when the call ends, and marks a call that never started", async () => {
    const { spans, traced } = makeTracer()
    await Effect.gen(function* () {
      const workers = yield* pool
      const first = yield* workers.spawn("Nested", undefined)
      const queued = yield* workers.spawn("Leaf", { text: "never" })
      yield* Thread.interrupt(queued)
      yield* Thread.interrupt(first)
    }).pipe(Effect.scoped, traced, Effect.runPromise)
    expect(spans.map(({ events, name, status }) => [name, events.length, status._tag])).toEqual([
      ["WorkerPool.Nested", 1, "Ended"],
      ["WorkerPool.Leaf", 0, "Ended"]
    ])
  })

  it("is ignored by the worker if it is no valid span context", () => {
    const start = { _tag: "Start", id: 1, slot: 0, task: "Leaf", name: "Leaf", payload: {} }
    const good = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled: true }
    expect(decodeToWorker([{ ...start, trace: good }])).toHaveLength(1)
    const wrong: ReadonlyArray<unknown> = [
      undefined,
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      { ...good, sampled: 1 },
      { ...good, spanId: "" },
      { ...good, traceId: "0".repeat(129) },
      { ...good, further: true },
      { traceId: good.traceId, spanId: good.spanId }
    ]
    for (const trace of wrong) expect(decodeToWorker([{ ...start, trace }])).toBe(undefined)
  })
})

describe("the spans of a lease that the host keeps", () => {
  const resource = Effect.acquireRelease(Effect.withSpan(Effect.void, "made"), () => Effect.void)
  const leasing = WorkerPool.make(Traced, {
    spawn: (options) => new Worker(url, options),
    size: 1,
    hostLeases: [HostLease.handler(Kept, () => resource)]
  })

  it("are children of the call's span, and parents of the handler's spans", async () => {
    const { spans, traced } = makeTracer()
    await Effect.gen(function* () {
      const workers = yield* leasing
      yield* workers.execute("Keep", undefined)
      yield* Effect.withTracerEnabled(workers.execute("Keep", undefined), false)
    }).pipe(Effect.scoped, traced, Effect.runPromise)
    const [call, acquire] = spans as [Tracer.NativeSpan, Tracer.NativeSpan]
    // The untraced call has the handler's own span, and none of the toolkit.
    expect(spans).toHaveLength(5)
    const ofCall = spans.filter(({ traceId }) => traceId === call.traceId)
    expect(
      ofCall.map(({ name, parent, status }) => [name, Option.getOrUndefined(parent)?.spanId, status._tag])
    ).toEqual([
      ["WorkerPool.Keep", undefined, "Ended"],
      ["Lease.acquire.kept", call.spanId, "Ended"],
      ["made", acquire.spanId, "Ended"],
      ["Lease.release.kept", call.spanId, "Ended"]
    ])
  })
})

describe("the span of a call of a plain function", () => {
  type Plain = typeof import("./fixtures/plain-square.ts")
  const square = new URL("./fixtures/plain-square.ts", import.meta.url)

  it("is a child of the fiber that makes the call, and has the time in the queue", async () => {
    const { spans, traced } = makeTracer()
    const tasks = Task.createTaskPool<Plain>(square, { size: 1 })
    await tasks.run(1)
    const call = (options?: { readonly name: string }) => Effect.promise(() => tasks.run(3, options))
    await Effect.gen(function* () {
      expect(yield* Effect.withSpan(call(), "caller")).toBe(9)
      yield* call({ name: "small" })
      yield* Effect.withTracerEnabled(call(), false)
    }).pipe(traced, Effect.runPromise)
    await tasks.run(2)
    await tasks.drain()
    expect(spans.map(({ kind, name }) => [name, kind])).toEqual([
      ["caller", "internal"],
      ["WorkerPool.plain-square.ts", "client"],
      ["WorkerPool.small", "client"]
    ])
    const [caller, first] = spans as [Tracer.NativeSpan, Tracer.NativeSpan]
    expect(Option.getOrUndefined(first.parent)).toBe(caller)
    expect(first.events.map(([name, _, attributes]) => [name, attributes])).toEqual([
      ["started", { queuedMillis: expect.any(Number) }]
    ])
    expect(first.status).toMatchObject({ _tag: "Ended", exit: { _tag: "Success" } })
  })
})
