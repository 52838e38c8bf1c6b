/** The types of the functions that run a program. The compiler checks the calls, and no call runs. */
import { Interleaving, Interruption, Leaks, type TestingError } from "@quiesce/testing"
import { Context, type Effect, type Layer, type Scope } from "effect"
import { describe, expectTypeOf, it } from "vitest"

class Database extends Context.Service<Database, { readonly size: number }>()("Database") {}

declare const work: Effect.Effect<number, "no", Database>
declare const scoped: Effect.Effect<number, "no", Scope.Scope>
declare const environment: Layer.Layer<Database, "offline">

describe("Leaks.none", () => {
  it("infers its types at the end of a pipe, with and without options, and as a plain call", () => {
    const programs = () => [
      work.pipe(Leaks.none),
      work.pipe(Leaks.none()),
      work.pipe(Leaks.none({ within: "1 second" })),
      Leaks.none(work),
      Leaks.none(work, { ignore: () => true })
    ]
    expectTypeOf(programs).returns.toEqualTypeOf<
      Array<Effect.Effect<number, "no" | TestingError.TestingError, Database>>
    >()
  })
})

describe("the explorers", () => {
  it("infer their types at the end of a pipe, and need the services of the program in an environment", () => {
    const programs = () => ({
      interruption: [
        scoped.pipe(Interruption.check),
        scoped.pipe(Interruption.explore),
        Interruption.check(scoped, { cuts: 10 }),
        Interruption.check(work, { environment })
      ],
      interleaving: [
        scoped.pipe(Interleaving.check),
        scoped.pipe(Interleaving.explore),
        Interleaving.check(scoped, { seeds: 10 }),
        Interleaving.check(work, { environment })
      ]
    })
    expectTypeOf(programs).returns.toEqualTypeOf<{
      interruption: Array<Effect.Effect<Interruption.Exploration, TestingError.TestingError>>
      interleaving: Array<Effect.Effect<Interleaving.Exploration, TestingError.TestingError>>
    }>()
  })
})
