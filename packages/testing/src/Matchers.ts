/**
 * Matchers for vitest. Import this module once, in the test or in a setup file:
 *
 *     import "@quiesce/testing/Matchers"
 *
 *     await expect(program).toBeCancelSafe()
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import { expect } from "vitest"
import * as Interruption from "./Interruption.ts"

declare module "vitest" {
  interface Matchers {
    /** Tries an effect with a cancel at each of its steps: see `Interruption.check`. Await it. */
    toBeCancelSafe(options?: Interruption.Options<unknown, unknown>): Promise<void>
  }
}

expect.extend({
  async toBeCancelSafe(received: unknown, options?: Interruption.Options<unknown, unknown>) {
    if (!Effect.isEffect(received)) {
      return { pass: false, message: () => `toBeCancelSafe tries an Effect, and was given ${String(received)}.` }
    }
    // What it needs, the environment gives.
    const program = received as Effect.Effect<unknown, unknown>
    const exit = await Effect.runPromiseExit(Interruption.check(program, options))
    return {
      pass: Exit.isSuccess(exit),
      message: () =>
        Exit.isSuccess(exit)
          ? `The program was expected to leave something behind, and did not at any of ${exit.value.cuts} cuts.`
          : String(Cause.squash(exit.cause))
    }
  }
})
