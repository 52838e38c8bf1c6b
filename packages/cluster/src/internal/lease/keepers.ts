/** The keepers of a runner: they acquire and release the resources of leases that outlive a machine. */
import { logUnhandled, messageOf } from "@quiesce/core/internal"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type { ClusterError } from "../../ClusterError.ts"
import * as LeaseStore from "../store/leaseStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"

/** A kind of lease: its name and its Schemas. */
export interface Kind {
  readonly name: string
  readonly payload: Schema.Codec<unknown, unknown>
  readonly value: Schema.Codec<unknown, unknown>
}

/** The resource of a lease: `value` is none if the resource may not have been acquired. */
interface Left {
  readonly payload: unknown
  readonly value: Option.Option<unknown>
}

/** A keeper with its services. Texts are JSON. */
export interface Keeper {
  readonly name: string
  /** The Schemas, for a pool. */
  readonly kind: Kind
  readonly acquire: (payload: unknown) => Effect.Effect<unknown, unknown>
  readonly release: (left: Left) => Effect.Effect<void, unknown>
  readonly encodePayload: (payload: unknown) => Effect.Effect<string, ClusterError>
  readonly decodePayload: (text: string) => Effect.Effect<unknown, ClusterError>
  readonly encodeValue: (value: unknown) => Effect.Effect<string, ClusterError>
  readonly decodeValue: (text: string) => Effect.Effect<unknown, ClusterError>
}

/** A release that takes longer is given to another runner, in milliseconds. */
export const releaseMillis = 30_000

/** With so many releases at once, a runner takes no more leases until its next look. A release that hangs counts for its limit. */
const mostReleases = 512

/** The longest pause before a release that has failed is tried again, in milliseconds. */
const longestPauseMillis = 60_000

export class Keepers {
  private readonly store: ThreadStore
  private readonly runner: string
  private readonly byName: ReadonlyMap<string, Keeper>
  private readonly context: Context.Context<never>
  /** The releases of this runner that have not ended. */
  private releasing = 0

  constructor(store: ThreadStore, runner: string, keepers: ReadonlyArray<Keeper>, context: Context.Context<never>) {
    this.store = store
    this.runner = runner
    this.byName = new Map(keepers.map((keeper) => [keeper.name, keeper]))
    this.context = context
  }

  get(name: string): Keeper | undefined {
    return this.byName.get(name)
  }

  get all(): ReadonlyArray<Keeper> {
    return Array.from(this.byName.values())
  }

  /** Releases the resources of threads that no longer run. Each release has its own fiber, so a hanging release delays no other. */
  get reap(): Effect.Effect<void, ClusterError> {
    const names = Array.from(this.byName.keys())
    if (names.length === 0) return Effect.void
    const some = Effect.flatMap(LeaseStore.reap(this.store, names, this.runner, releaseMillis), (rows) =>
      Effect.as(
        Effect.forEach(rows, (row) => Effect.forkDetach(this.release(row)), { discard: true }),
        rows.length
      )
    )
    // A dead runner may leave thousands of leases. The other runners take their share between two statements.
    const until = (count: number): boolean => count < LeaseStore.batch || this.releasing >= mostReleases
    return Effect.asVoid(Effect.repeat(some, { until }))
  }

  private release(row: LeaseStore.LeaseRow): Effect.Effect<void> {
    const keeper = this.byName.get(row.name)!
    this.releasing++
    return Effect.gen(function* () {
      const payload = yield* keeper.decodePayload(row.payload)
      const value = row.value === null ? Option.none() : Option.some(yield* keeper.decodeValue(row.value))
      yield* keeper.release({ payload, value })
    }).pipe(
      Effect.timeout(releaseMillis),
      Effect.exit,
      Effect.flatMap((exit) =>
        Exit.isSuccess(exit) ? LeaseStore.removeReleased(this.store, row) : this.failed(row, exit.cause)
      ),
      Effect.ignore,
      Effect.ensuring(Effect.sync(() => this.releasing--))
    )
  }

  private failed(row: LeaseStore.LeaseRow, cause: unknown): Effect.Effect<void, ClusterError> {
    const text = `The release of the lease "${row.name}" of the thread ${row.thread} has failed ${row.attempts} times, and will be tried again: ${messageOf(cause)}`
    logUnhandled(this.context, { id: 0, name: this.runner }, text)
    return LeaseStore.giveBack(this.store, row.id, Math.min(500 * 2 ** row.attempts, longestPauseMillis))
  }
}
