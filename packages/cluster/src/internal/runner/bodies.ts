/** The bodies of the threads of a runner: where a task of a client runs. */
import type * as Thread from "@quiesce/core/Thread"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** A task that is about to start. */
export interface Start {
  readonly id: string
  readonly token: number
  readonly name: string
  readonly task: string
  readonly payload: unknown
}

/** Starts the threads of a runner. */
export interface Bodies {
  readonly tasks: ReadonlySet<string>
  /** Whether busy code of a body can be ended. */
  readonly canUnwind: boolean
  /**
   * Starts a thread in the current scope. The body begins only after `begun`, so that no lease of the body is missed.
   */
  readonly spawn: (
    start: Start,
    begun: Effect.Effect<void>
  ) => Effect.Effect<Thread.Thread<unknown, unknown>, unknown, Scope.Scope>
}
