/** The regular look of a runner at the other members of the cluster. */
import * as Effect from "effect/Effect"
import type { ClusterError } from "../../ClusterError.ts"
import * as MemberStore from "../store/memberStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import * as Outcome from "../wire/outcome.ts"
import { lostReason, type RunnerId } from "../wire/runnerId.ts"
import type { RunnerThreads } from "./runnerThreads.ts"

/** The store's clock may jump by less without a consequence, in milliseconds. */
const toleranceMillis = 5000

export class Rounds {
  private readonly store: ThreadStore
  private readonly threads: RunnerThreads
  private readonly runner: RunnerId
  /** The time of the last look, by the store's clock and by this process's. */
  private last: { readonly store: number; readonly own: number } | undefined = undefined

  constructor(store: ThreadStore, threads: RunnerThreads, runner: RunnerId) {
    this.store = store
    this.threads = threads
    this.runner = runner
  }

  /** After a jump of the store's clock, all members have time to renew their rows until the next look. */
  get look(): Effect.Effect<void, ClusterError> {
    return Effect.flatMap(this.hasJumped, (jumped) =>
      jumped ? Effect.void : Effect.andThen(this.endOrphans, this.fenceLost)
    )
  }

  private get hasJumped(): Effect.Effect<boolean, ClusterError> {
    return Effect.map(this.store.clock, (now) => {
      const { last } = this
      const own = performance.now()
      this.last = { store: now, own }
      return last !== undefined && Math.abs(now - last.store - (own - last.own)) > toleranceMillis
    })
  }

  private get endOrphans(): Effect.Effect<void, ClusterError> {
    return Effect.suspend(() => {
      const { callers } = this.threads
      if (callers.size === 0) return Effect.void
      return Effect.flatMap(MemberStore.live(this.store, "caller"), (live) => {
        const ids = new Set(live.map(({ id }) => id))
        return Effect.asVoid(
          Effect.forkDetach(this.threads.endOrphans((caller) => callers.has(caller) && !ids.has(caller)))
        )
      })
    })
  }

  private get fenceLost(): Effect.Effect<void, ClusterError> {
    const lost = Effect.map(MemberStore.lostRunners(this.store), (ids) =>
      // A runner whose own row has expired is late, and says so by its next renewal.
      ids.filter((id) => id !== this.runner.incarnation)
    )
    return Effect.flatMap(lost, (ids) =>
      Effect.forEach(
        ids,
        (id) => Effect.flatMap(Outcome.encodeReason(lostReason(id)), (reason) => this.store.killAllOf(id, reason)),
        { discard: true }
      )
    )
  }
}
