/** The regular look of a runner at the other members of the cluster. */
import * as Effect from "effect/Effect"
import type { ClusterError } from "../../ClusterError.ts"
import * as MemberStore from "../store/memberStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import * as Outcome from "../wire/outcome.ts"
import { lostReason, type RunnerId } from "../wire/runnerId.ts"
import type { Calm } from "../watch/calm.ts"
import type { RunnerThreads } from "./runnerThreads.ts"

export class Rounds {
  private readonly store: ThreadStore
  private readonly threads: RunnerThreads
  private readonly runner: RunnerId
  private readonly calm: Calm

  constructor(store: ThreadStore, threads: RunnerThreads, runner: RunnerId, calm: Calm) {
    this.store = store
    this.threads = threads
    this.runner = runner
    this.calm = calm
  }

  get look(): Effect.Effect<void, ClusterError> {
    return Effect.flatMap(this.calm.look, (isCalm) =>
      Effect.andThen(this.endFenced, isCalm ? Effect.andThen(this.endOrphans, this.fenceLost) : Effect.void)
    )
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
    return Effect.flatMap(MemberStore.lostRunners(this.store), (lost) =>
      Effect.forEach(
        // This runner renews its own expired row.
        lost.filter(({ id }) => id !== this.runner.incarnation),
        ({ id }) => Effect.flatMap(Outcome.encodeReason(lostReason(id)), (reason) => this.store.killAllOf(id, reason)),
        { discard: true }
      )
    )
  }
}

/** The end of a thread may take longer than a round. */
const detached = (effect: Effect.Effect<void>): Effect.Effect<void> => Effect.asVoid(Effect.forkDetach(effect))
