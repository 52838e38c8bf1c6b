/** The types of the matchers. The compiler checks the calls, and no call runs. */
// The import installs the matchers.
// oxlint-disable-next-line import/no-unassigned-import
import "@quiesce/testing/Matchers"
import { Context, Effect, type Layer, type Scope } from "effect"
import { expect, expectTypeOf, it } from "vitest"

class Database extends Context.Service<Database, { readonly size: number }>()("Database") {}

declare const work: Effect.Effect<number, "no", Database | Scope.Scope>
declare const scoped: Effect.Effect<number, "no", Scope.Scope>
declare const anything: unknown
declare const environment: Layer.Layer<Database, "offline">

it("toBeCancelSafe takes an effect, and the environment that the effect needs", () => {
  const checks = () => [
    expect(Effect.void).toBeCancelSafe(),
    expect(Effect.never).toBeCancelSafe({ cuts: 1 }),
    expect(scoped).not.toBeCancelSafe({ cuts: 10, hit: "interruptTwice" }),
    expect(scoped, "a message").toBeCancelSafe(),
    expect(work).toBeCancelSafe({ environment }),
    expect(anything).toBeCancelSafe()
  ]
  const later = async () => await expect(Promise.resolve(scoped)).resolves.toBeCancelSafe()
  expectTypeOf(later).returns.toEqualTypeOf<Promise<void>>()
  expectTypeOf(checks).returns.toEqualTypeOf<Array<Promise<void>>>()
})
