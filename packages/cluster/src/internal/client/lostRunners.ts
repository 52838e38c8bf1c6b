/**
 * Judges the runners of a client's threads by their rows. No other runner may be there to do so. A runner whose row has
 * expired is fenced. A runner that has only stopped renewing its row is silent: the watch of its port says whether it is gone.
 */
import * as Effect from "effect/Effect"
import type { ClusterError } from "../../ClusterError.ts"
import * as MemberStore from "../store/memberStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import type { Calm } from "../watch/calm.ts"
import { type Engine, fenceRunner } from "../watch/lostRunner.ts"
import { Silence } from "../watch/silence.ts"
import { fromAddress } from "../wire/runnerId.ts"

export class LostRunners {
  private readonly store: ThreadStore
  private readonly engine: Engine | undefined
  private readonly calm: Calm
  private readonly silence: Silence
  private isCalm = false

  constructor(store: ThreadStore, engine: Engine | undefined, calm: Calm) {
    this.store = store
    this.engine = engine
    this.calm = calm
    this.silence = new Silence(store)
  }

  /** Has to be asked for regularly. */
  get look(): Effect.Effect<void, ClusterError> {
    return Effect.map(this.calm.look, (isCalm) => {
      this.isCalm = isCalm
    })
  }

  /** Fences the dead runners of the set. */
  fence(runners: ReadonlySet<string>): Effect.Effect<void, ClusterError> {
    if (!this.isCalm || runners.size === 0) return Effect.void
    return Effect.flatMap(MemberStore.lostRunners(this.store), (lost) =>
      Effect.forEach(
        lost.filter(({ id }) => runners.has(id)),
        ({ address, id }) => fenceRunner(this.store, fromAddress(id, address), this.engine),
        { discard: true }
      )
    )
  }

  /** The runners of the set that don't renew their rows. None while a living runner may have had no time to do so. */
  silent(runners: ReadonlySet<string>): Effect.Effect<ReadonlySet<string>, ClusterError> {
    return Effect.map(this.silence.look(runners), (silent) => (this.isCalm ? silent : new Set()))
  }
}
