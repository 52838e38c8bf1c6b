/** The data that the ledger keeps for one holder of leases. `Holder` is the node of a thread. */
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { LeaseOutcome } from "../ShutdownReport.ts"

/**
 * The result of a lease after its end.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type LeaseResult = "released" | "failed" | "timedOut" | "lost"

/** The release of a lease, for a caller other than the scope of the lease. */
export interface PendingRelease {
  readonly scope: Scope.Scope
  /**
   * Starts the release in a fiber of its own. The scope, when it comes to the release, waits for that fiber. Undefined if
   * the release has already started.
   */
  readonly takeOver: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<Fiber.Fiber<unknown> | undefined>
}

/** A resource that a thread holds. Changed by the ledger and by the lease itself. */
export interface Entry<Holder> {
  readonly name: string
  readonly node: Holder
  readonly acquiredAt: number
  /** `host`: the host of the thread keeps the resource, and has it in its own ledger. */
  readonly keptBy: "host" | undefined
  state: "held" | "releasing" | "settled"
  /** When the release began. */
  since: number
  /** Undefined if another thread releases the resource. */
  release: PendingRelease | undefined
  previous: Entry<Holder> | undefined
  next: Entry<Holder> | undefined
}

/** Counts of acquired leases and of their results. */
export interface Tally extends Record<LeaseResult, number> {
  acquired: number
}

/** The counts of one holder, and the list of its leases. Changed by the ledger only. */
export interface Account<Holder> extends Tally {
  /** The last acquired lease. */
  latest: Entry<Holder> | undefined
}

export interface Observer<Holder> {
  /** The observed holder, or a holder below it, has acquired a lease. */
  readonly entered?: (entry: Entry<Holder>) => void
  /** The release of such a lease begins. */
  readonly releasing?: (entry: Entry<Holder>) => void
  /** Whether a report lists the lost leases, so that they need no log. */
  readonly reportsLosses?: boolean
  /** A lease of the observed holder, or of a holder below it, is no longer held. */
  readonly settled: (observed: Holder, result: LeaseResult, outcome: LeaseOutcome, entry: Entry<Holder>) => void
}

/** Can be observed: a thread, or all threads of a group at once. The ledger alone changes the list. */
export interface Observed<Holder> {
  ledgerObservers: ReadonlyArray<Observer<Holder>> | undefined
}
