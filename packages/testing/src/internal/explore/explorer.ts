/** Functions that run a user's program many times, in an environment with all services of the program. */
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as TestingError from "../../TestingError.ts"

/** A program that requires only a scope needs no environment. Any other program needs an environment. */
export interface Explorer<Settings, A> {
  <E = never>(
    program: Effect.Effect<unknown, unknown, Scope.Scope>,
    options?: Settings & { readonly environment?: Layer.Layer<never, E> | undefined }
  ): Effect.Effect<A, TestingError.TestingError>
  <R, E = never>(
    program: Effect.Effect<unknown, unknown, R | Scope.Scope>,
    options: Settings & { readonly environment: Layer.Layer<R, E> }
  ): Effect.Effect<A, TestingError.TestingError>
}

/** Any program. The public types have checked its requirements. */
export type AnyProgram = Effect.Effect<unknown, unknown, unknown>
