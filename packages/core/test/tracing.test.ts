import { describe, expect, it } from "@effect/vitest"
import { Lease, Thread } from "@quiesce/core"
import { Cause, Deferred, Effect, Exit, Option, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { parentSpanKey } from "../src/internal/tracing.ts"
import { settle } from "./support.ts"

/** A tracer that keeps its spans. */
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

/** The name of each span, with the name of its parent. */
const tree = (spans: ReadonlyArray<Tracer.NativeSpan>): ReadonlyArray<string> =>
  spans.map(({ name, parent }) => {
    const above = Option.getOrUndefined(parent)
    return above?._tag === "Span" ? `${name} < ${above.name}` : name
  })

const file = Lease.acquire({
  name: "file",
  acquire: Effect.sleep("1 second"),
  release: () => Effect.sleep("2 seconds")
})

describe("a tracer", () => {
  it.effect("receives a span for each thread and for the acquire and the release of each lease", () =>
    Effect.gen(function* () {
      const { spans, traced } = makeTracer()
      const inner = Effect.andThen(file, Effect.sleep("4 seconds"))
      const outer = Effect.flatMap(Thread.spawn(inner, { name: "inner" }), Thread.join)
      const program = Effect.flatMap(Thread.spawn(outer, { name: "outer" }), Thread.join)
      const fiber = yield* Effect.forkChild(program.pipe(Effect.scoped, Effect.withSpan("program"), traced))
      for (let second = 0; second < 8; second++) yield* TestClock.adjust("1 second")
      expect(fiber.pollUnsafe()).toBeDefined()
      expect(tree(spans)).toEqual([
        "program",
        "Thread.outer < program",
        "Thread.inner < Thread.outer",
        "Lease.acquire.file < Thread.inner",
        "Lease.release.file < Thread.inner"
      ])
      const seconds = spans.map(({ status }) =>
        status._tag === "Ended" ? Number(status.endTime - status.startTime) / 1e9 : undefined
      )
      // The span of a thread lasts until its last release.
      expect(seconds.slice(2)).toEqual([7, 1, 2])
      expect(seconds.slice(0, 2).every((each) => each! >= 7)).toBe(true)
      expect(spans[1]!.attributes.get("thread.name")).toBe("outer")
      expect(spans[1]!.attributes.get("thread.id")).toEqual(expect.any(Number))
    })
  )

  it.effect("receives the exit of a thread that fails, and of a thread that is interrupted", () =>
    Effect.gen(function* () {
      const { spans, traced } = makeTracer()
      yield* Effect.gen(function* () {
        yield* Effect.exit(Effect.flatMap(Thread.spawn(Effect.fail("broken")), Thread.join))
        yield* Effect.flatMap(Thread.spawn(Effect.never, { startImmediately: true }), Thread.interrupt)
      }).pipe(Effect.scoped, traced)
      const causes = spans.map(({ status }) =>
        status._tag === "Ended" && Exit.isFailure(status.exit) ? Cause.hasInterruptsOnly(status.exit.cause) : undefined
      )
      expect(tree(spans)).toEqual(["Thread.unnamed", "Thread.unnamed"])
      expect(causes).toEqual([false, true])
    })
  )

  it.effect("receives the annotations of spans, and nothing while tracing is disabled", () =>
    Effect.gen(function* () {
      const { spans, traced } = makeTracer()
      const thread = Effect.flatMap(Thread.spawn(Effect.void, { name: "reader" }), Thread.join)
      yield* thread.pipe(Effect.annotateSpans("tenant", "a"), Effect.scoped, traced)
      yield* thread.pipe(Effect.withTracerEnabled(false), Effect.scoped, traced)
      expect(spans.map(({ attributes }) => attributes.get("tenant"))).toEqual(["a"])
    })
  )

  it.effect("is the only cause of spans", () =>
    Effect.gen(function* () {
      const done = yield* Deferred.make<unknown>()
      const body = Effect.flatMap(Effect.exit(Effect.currentSpan), (span) =>
        Deferred.succeed(done, Exit.isSuccess(span))
      )
      yield* Effect.scoped(Thread.spawn(body).pipe(Effect.andThen(settle)))
      expect(yield* Deferred.await(done)).toBe(false)
      expect(parentSpanKey).toBe(Tracer.ParentSpan.key)
    })
  )
})
