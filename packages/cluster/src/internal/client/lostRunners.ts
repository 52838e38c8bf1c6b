/** Fences the runners of a client's threads when their rows have expired. No other runner may be there to do so. */
import * as Effect from "effect/Effect"
import type { ClusterError } from "../../ClusterError.ts"
import * as MemberStore from "../store/memberStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import type { Calm } from "../watch/calm.ts"
import { type Engine, fenceRunner } from "../watch/lostRunner.ts"
import { fromAddress } from "../wire/runnerId.ts"

export class LostRunners {
  private readonly store: ThreadStore
  private readonly engine: Engine | undefined
  private readonly calm: Calm
  private isCalm = false

  constructor(store: ThreadStore, engine: Engine | undefined, calm: Calm) {
    this.store = store
    this.engine = engine
    this.calm = calm
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
}
