/** The types of maps. The compiler checks the calls, and no call runs. */
import { type Deadline, type Thread, ThreadMap } from "@quiesce/core"
import { Context, type Effect, type Option, type Scope } from "effect"
import { describe, expectTypeOf, it } from "vitest"

class Database extends Context.Service<Database, { readonly size: number }>()("Database") {}

type Made<K, E> = Effect.Effect<ThreadMap.ThreadMap<K, E, E | Deadline.DeadlineExceeded>, never, Scope.Scope>

declare const work: Effect.Effect<number, "no", Database | Scope.Scope>
declare const ready: Effect.Effect<number, "no", Database>
declare const map: ThreadMap.ThreadMap<string, "no" | "late">

describe("ThreadMap.make", () => {
  it("has the keys and the errors that its type parameters name", () => {
    const maps = () => ({ none: ThreadMap.make<string>(), named: ThreadMap.make<number, "no">() })
    expectTypeOf(maps).returns.toEqualTypeOf<{ none: Made<string, never>; named: Made<number, "no"> }>()
  })
})

describe("ThreadMap.run", () => {
  it("infers as a plain call and at the end of a pipe", () => {
    const threads = () => [
      ThreadMap.run(map, "a", work),
      ThreadMap.run(map, "a", work, { name: "work", onlyIfMissing: true, propagateInterruption: true }),
      work.pipe(ThreadMap.run(map, "a")),
      work.pipe(ThreadMap.run(map, "a", { name: "work" }))
    ]
    expectTypeOf(threads).returns.toEqualTypeOf<Array<Effect.Effect<Thread.Thread<number, "no">, never, Database>>>()
  })
})

describe("ThreadMap.get, has, remove, clear and size", () => {
  it("infer as plain calls and at the end of a pipe", () => {
    type Found = Effect.Effect<Option.Option<Thread.Thread<unknown, "no" | "late" | Deadline.DeadlineExceeded>>>
    const found = () => [ThreadMap.get(map, "a"), map.pipe(ThreadMap.get("a"))]
    expectTypeOf(found).returns.toEqualTypeOf<Array<Found>>()
    const has = () => [ThreadMap.has(map, "a"), map.pipe(ThreadMap.has("a"))]
    expectTypeOf(has).returns.toEqualTypeOf<Array<Effect.Effect<boolean>>>()
    const ends = () => [
      ThreadMap.remove(map, "a"),
      map.pipe(ThreadMap.remove("a")),
      ThreadMap.clear(map),
      map.pipe(ThreadMap.clear())
    ]
    expectTypeOf(ends).returns.toEqualTypeOf<Array<Effect.Effect<void>>>()
    expectTypeOf(() => map.pipe(ThreadMap.size)).returns.toEqualTypeOf<Effect.Effect<number>>()
  })
})

describe("ThreadMap.join and awaitEmpty", () => {
  it("fail as the threads fail, and never", () => {
    const waits = () => ({ join: map.pipe(ThreadMap.join), empty: ThreadMap.awaitEmpty(map) })
    expectTypeOf(waits).returns.toEqualTypeOf<{
      join: Effect.Effect<void, "no" | "late" | Deadline.DeadlineExceeded>
      empty: Effect.Effect<void>
    }>()
  })
})

describe("ThreadMap.runtime", () => {
  it("returns functions for callbacks, with the services that its type parameter names", () => {
    expectTypeOf(() => ThreadMap.runtime(map)<Database>()).returns.toEqualTypeOf<
      Effect.Effect<ThreadMap.Runtime<string, "no" | "late", Database>, never, Database>
    >()
    expectTypeOf(() => ThreadMap.makeRuntimePromise<Database, string, "no">()).returns.toEqualTypeOf<
      Effect.Effect<ThreadMap.RuntimePromise<string, "no", Database>, never, Database | Scope.Scope>
    >()
    expectTypeOf((run: ThreadMap.Runtime<string, "no", Database>) => run("a", ready)).returns.toEqualTypeOf<
      Thread.Thread<number, "no">
    >()
    expectTypeOf((run: ThreadMap.RuntimePromise<string, "no", Database>) => run("a", ready)).returns.toEqualTypeOf<
      Promise<number>
    >()
  })
})

describe("a map", () => {
  it("iterates over its keys with their threads", () => {
    expectTypeOf(() => [...map]).returns.toEqualTypeOf<
      Array<[string, Thread.Thread<unknown, "no" | "late" | Deadline.DeadlineExceeded>]>
    >()
  })

  it("with more keys can replace a map with fewer, and not the other way round", () => {
    expectTypeOf<typeof map>().toExtend<ThreadMap.ThreadMap<string, "no", unknown>>()
    expectTypeOf<ThreadMap.ThreadMap<string, "no", unknown>>().not.toExtend<
      ThreadMap.ThreadMap<string, "no" | "late", unknown>
    >()
    expectTypeOf<typeof map>().not.toExtend<ThreadMap.ThreadMap<string, "no" | "late", "no">>()
    expectTypeOf<typeof map>().not.toExtend<ThreadMap.ThreadMap<string | number, "no" | "late", unknown>>()
    expectTypeOf<typeof map>().not.toExtend<ThreadMap.ThreadMap<"a", "no" | "late", unknown>>()
  })
})
