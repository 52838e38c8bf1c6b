import { describe, expect, expectTypeOf, it } from "@effect/vitest"
import { Thread } from "@quiesce/core"
import { Effect, Option, type Scope } from "effect"

describe("the types of threads", () => {
  it("are inferred at the end of a pipe, with and without options", () => {
    const spawned = Effect.succeed(1).pipe(Thread.spawn)
    const named = Effect.fail("no").pipe(Thread.spawn({ name: "failing" }))
    expectTypeOf(spawned).toEqualTypeOf<Effect.Effect<Thread.Thread<number>, never, Scope.Scope>>()
    expectTypeOf(named).toEqualTypeOf<Effect.Effect<Thread.Thread<never, string>, never, Scope.Scope>>()
    expect(Effect.isEffect(spawned)).toBe(true)
  })

  it.effect("are kept by a join of a tuple, a record and an array", () =>
    Effect.gen(function* () {
      const number = yield* Thread.spawn(Effect.succeed(1))
      const text = yield* Thread.spawn(Effect.succeed("a"))
      const tuple = yield* Thread.joinAll([number, text])
      expectTypeOf(tuple).toEqualTypeOf<[number, string]>()
      const record = yield* Thread.joinAll({ number, text }, { within: "1 second" })
      expectTypeOf(record).toEqualTypeOf<{ number: Option.Option<number>; text: Option.Option<string> }>()
      const array = yield* Thread.joinAll(new Set([number]))
      expectTypeOf(array).toEqualTypeOf<Array<number>>()
      expect([tuple, record, array]).toEqual([[1, "a"], { number: Option.some(1), text: Option.some("a") }, [1]])
    })
  )
})
