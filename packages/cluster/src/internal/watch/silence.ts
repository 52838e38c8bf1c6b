/**
 * The members that have stopped renewing their rows, long before the rows expire. A member may be silent because it is dead,
 * but also because it is frozen or blocked. So silence alone proves nothing, and is used only beside another sign.
 *
 * The time of a renewal is not in a row, because each member chooses how long its row is valid. A row whose end has not moved
 * between two looks was not renewed between them.
 */
import * as Effect from "effect/Effect"
import type { ClusterError } from "../../ClusterError.ts"
import * as MemberStore from "../store/memberStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import { ownClock, renewMillis } from "./calm.ts"

/** A member that has missed so many renewals in a row is silent. A slow store or a long task delays one or two. */
const missedRenewals = 5

interface Seen {
  readonly until: number
  /** When the row was first seen with this end, by the clock of this process. */
  readonly since: number
}

export class Silence {
  private readonly store: ThreadStore
  private seen: ReadonlyMap<string, Seen> = new Map()

  constructor(store: ThreadStore) {
    this.store = store
  }

  /** The silent members of the set. Has to be asked for regularly with the same members. A member without a row is not silent. */
  look(ids: ReadonlySet<string>): Effect.Effect<ReadonlySet<string>, ClusterError> {
    return Effect.suspend(() => {
      const { seen } = this
      if (ids.size === 0) return Effect.succeed(this.keep(new Map(), 0))
      return Effect.gen({ self: this }, function* () {
        const before = yield* ownClock
        const members = yield* MemberStore.rows(this.store, Array.from(ids))
        const since = yield* ownClock
        const next = new Map(
          members.map(({ id, until }) => {
            const last = seen.get(id)
            return [id, last?.until === until ? last : { until, since }] as const
          })
        )
        return this.keep(next, before)
      })
    })
  }

  private keep(seen: ReadonlyMap<string, Seen>, now: number): ReadonlySet<string> {
    this.seen = seen
    const silent = Array.from(seen).filter(([, { since }]) => now - since >= missedRenewals * renewMillis)
    return new Set(silent.map(([id]) => id))
  }
}
