/** The host leases of a pool and of one task, as far as the task needs them. */
import type * as ThreadAdapter from "@quiesce/core/adapter"
import type * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as CurrentTask from "../wire/currentTask.ts"
import type { ToHost, ToWorker } from "../wire/message.ts"
import type { Allowance } from "./allowance.ts"

/**
 * The task of a keeper. `broker` asks the host above for leases that the pool does not declare. `tracing` has the tracer
 * and the span of a traced call.
 */
export interface Owner {
  readonly broker: CurrentTask.Broker | undefined
  readonly id: number
  readonly enter: ThreadAdapter.RemoteThread<unknown, unknown>["enter"]
  readonly send: (message: ToWorker, transfers?: ReadonlyArray<unknown>) => void
  readonly allowance: Allowance
  readonly tracing: Context.Context<never> | undefined
}

/** The host leases of one task. */
export interface Keeper {
  readonly isEmpty: boolean
  readonly receive: (message: Extract<ToHost, { readonly _tag: "Acquire" | "Release" }>) => void
  /** Releases all leases that are left, the latest first. Completes with the failed releases. */
  readonly close: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<Cause.Cause<never>>
}

/** The host leases of a pool. */
export interface Leases {
  readonly keeperFor: (owner: Owner) => Keeper
  /** Waits until no lease is kept for a task that has ended. */
  readonly idle: Effect.Effect<void>
}
