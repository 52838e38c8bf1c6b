/** The types of effects that run with signals. The compiler checks the calls, and no call runs. */
import { Abort } from "@quiesce/core"
import { type Cause, Context, Effect, type ManagedRuntime, type Scope } from "effect"
import { expectTypeOf, it } from "vitest"

class Database extends Context.Service<Database, { readonly size: number }>()("Database") {}

declare const signal: AbortSignal
declare const work: Effect.Effect<number, "no", Database>
declare const context: Context.Context<Database>
declare const runtime: ManagedRuntime.ManagedRuntime<Database, "offline">

it("Abort.run, runWith and runIn have the type of the value, and take the services from their context", () => {
  const programs = () => ({
    run: [Abort.run(Effect.succeed(1), { signal }), Effect.succeed(1).pipe(Abort.run)],
    runWith: [Abort.runWith(context)(work, { signal }), work.pipe(Abort.runWith(context))],
    runIn: [Abort.runIn(runtime)(work, { signal }), work.pipe(Abort.runIn(runtime))]
  })
  expectTypeOf(programs).returns.toEqualTypeOf<{
    run: Array<Promise<number>>
    runWith: Array<Promise<number>>
    runIn: Array<Promise<number>>
  }>()
})

it("Abort.interruptOn changes no type", () => {
  const programs = () => [work.pipe(Abort.interruptOn(signal)), Abort.interruptOn(work, signal)]
  expectTypeOf(programs).returns.toEqualTypeOf<Array<Effect.Effect<number, "no", Database>>>()
})

it("Abort.promise has the value of the promise", () => {
  const programs = () => ({
    promise: Abort.promise((signal) => fetch("https://example.com", { signal }).then((response) => response.text())),
    settled: Abort.promise(() => Promise.resolve(1), { settle: "1 second" })
  })
  expectTypeOf(programs).returns.toEqualTypeOf<{
    promise: Effect.Effect<string, Cause.UnknownError>
    settled: Effect.Effect<number, Cause.UnknownError>
  }>()
})

it("the signal of a scope needs the scope", () => {
  expectTypeOf(Abort.fromScope).toEqualTypeOf<Effect.Effect<AbortSignal, never, Scope.Scope>>()
  expectTypeOf(Abort.timeout).returns.toEqualTypeOf<Effect.Effect<AbortSignal, never, Scope.Scope>>()
})
