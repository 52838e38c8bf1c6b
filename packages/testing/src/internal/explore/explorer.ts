/** What runs a user's program many times: it must be given all that the program needs. */
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as TestingError from "../../TestingError.ts"

/** What needs nothing but a scope of its own is given nothing, or what it may ignore; all else needs its environment. */
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

/** Some program. That it is given all that it needs was asked of whoever gave it. */
export type AnyProgram = Effect.Effect<unknown, unknown, unknown>
