/**
 * Matchers for vitest. Import this module once, in the test or in a setup file:
 *
 *     import "@quiesce/testing/Matchers"
 *
 *     await expect(program).toBeCancelSafe()
 *
 * @since 0.1.0
 */
import { textOf } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { expect } from "vitest"
import * as Interruption from "./Interruption.ts"

type Options = Interruption.Options<never, unknown>

/**
 * A program that requires only a scope needs no environment. Any other program needs an environment, and a value that is
 * no effect is refused. A value of an unknown type is checked when the test runs.
 */
type Args<Received> = unknown extends Received
  ? [options?: Options]
  : Received extends Effect.Effect<unknown, unknown, infer R>
    ? [R] extends [Scope.Scope]
      ? [options?: Options]
      : [options: Options & { readonly environment: Layer.Layer<Exclude<R, Scope.Scope>, unknown> }]
    : [theReceivedValueIsNoEffect: never]

declare module "vitest" {
  // Vitest 4 and 5 give this interface different type parameters. The type of the program therefore comes from `this`.
  interface Matchers {
    /** Cancels an effect at each of its steps: see `Interruption.check`. Await the matcher. */
    toBeCancelSafe<R extends void | Promise<void>, Received>(
      this: Assertion<R, Received>,
      ...options: Args<Received>
    ): Promise<void>
  }
}

expect.extend({
  async toBeCancelSafe(received: unknown, options?: Options) {
    if (!Effect.isEffect(received)) {
      throw new TypeError(`toBeCancelSafe tries an Effect, and was given ${textOf(received)}.`)
    }
    // The environment provides the services.
    const program = received as Effect.Effect<unknown, unknown>
    const result = await Effect.runPromise(Effect.result(Interruption.check(program, options)))
    // A program that can't be tried is neither safe nor unsafe.
    if (Result.isFailure(result) && result.failure.reason._tag !== "NotCancelSafe") throw result.failure
    return {
      pass: Result.isSuccess(result),
      message: () =>
        Result.isSuccess(result)
          ? `The program was expected to leave something behind, and did not at any of ${result.success.cuts} cuts.`
          : result.failure.message
    }
  }
})
