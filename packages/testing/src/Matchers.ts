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
import * as Result from "effect/Result"
import { expect } from "vitest"
import * as Interruption from "./Interruption.ts"

declare module "vitest" {
  interface Matchers {
    /** Cancels an effect at each of its steps: see `Interruption.check`. Await the matcher. */
    toBeCancelSafe(options?: Interruption.Options<never, unknown>): Promise<void>
  }
}

expect.extend({
  async toBeCancelSafe(received: unknown, options?: Interruption.Options<never, unknown>) {
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
