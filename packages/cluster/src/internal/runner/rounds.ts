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
  /** How long nobody is judged after a jump of the store's clock, in milliseconds. */
  private readonly quietMillis: number
  /** The time of the last look, by the store's clock and by this process's. */
  private last: { readonly store: number; readonly own: number } | undefined = undefined
  /** By the clock of this process. */
  private quietUntil = -Infinity

  constructor(store: ThreadStore, threads: RunnerThreads, runner: RunnerId, quietMillis: number) {
    this.store = store
    this.threads = threads
    this.runner = runner
    this.quietMillis = quietMillis
  }

  /** After a jump of the store's clock, all members have time to renew their rows. */
  get look(): Effect.Effect<void, ClusterError> {
    return Effect.flatMap(this.isQuiet, (isQuiet) =>
      Effect.andThen(this.endFenced, isQuiet ? Effect.void : Effect.andThen(this.endOrphans, this.fenceLost))
    )
  }

  private get isQuiet(): Effect.Effect<boolean, ClusterError> {
    return Effect.map(this.store.clock, (now) => {
      const { last } = this
      const own = performance.now()
      this.last = { store: now, own }
      const jump = last === undefined ? 0 : now - last.store - (own - last.own)
      if (Math.abs(jump) > toleranceMillis) this.quietUntil = own + this.quietMillis
      return own < this.quietUntil
    })
  }

  /** While a runner was frozen, its threads may have been killed in the store. */
  private get endFenced(): Effect.Effect<void, ClusterError> {
    return Effect.suspend(() => {
      if (this.threads.size === 0) return Effect.void
      return Effect.flatMap(this.store.killedOf(this.runner.incarnation), (ids) =>
        detached(this.threads.endFenced(ids))
      )
    })
  }

  private get endOrphans(): Effect.Effect<void, ClusterError> {
    return Effect.suspend(() => {
      const { callers } = this.threads
      if (callers.size === 0) return Effect.void
      return Effect.flatMap(MemberStore.live(this.store, "caller"), (live) => {
        const ids = new Set(live.map(({ id }) => id))
        return detached(this.threads.endOrphans((caller) => callers.has(caller) && !ids.has(caller)))
      })
    })
  }

  private get fenceLost(): Effect.Effect<void, ClusterError> {
    return Effect.flatMap(MemberStore.lostRunners(this.store), (ids) =>
      Effect.forEach(
        // This runner renews a row of its own that has expired.
        ids.filter((id) => id !== this.runner.incarnation),
        (id) => Effect.flatMap(Outcome.encodeReason(lostReason(id)), (reason) => this.store.killAllOf(id, reason)),
        { discard: true }
      )
    )
  }
}

/** The end of a thread may take longer than a round. */
const detached = (effect: Effect.Effect<void>): Effect.Effect<void> => Effect.asVoid(Effect.forkDetach(effect))
