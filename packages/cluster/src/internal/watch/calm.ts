/**
 * Says when members with expired rows can be judged. All rows expire at once if the store's clock jumps, if the store was
 * away, or if all processes were frozen. Then nobody is judged until all members had time to renew their rows.
 */
import * as Effect from "effect/Effect"
import type { ClusterError } from "../../ClusterError.ts"
import type { ThreadStore } from "../store/threadStore.ts"

/** The store's clock may jump by less, and the store may be away for less, without a consequence; in milliseconds. */
const toleranceMillis = 5000

export class Calm {
  private readonly store: ThreadStore
  /** How long nobody is judged, in milliseconds. */
  private readonly quietMillis: number
  /** The time of the last look that the store has answered, by the store's clock and by this process's. */
  private last: { readonly store: number; readonly own: number } | undefined = undefined
  /** By the clock of this process. */
  private quietUntil = -Infinity

  constructor(store: ThreadStore, quietMillis: number) {
    this.store = store
    this.quietMillis = quietMillis
  }

  /** Whether members can be judged now. Ask at least once in a few seconds. */
  get look(): Effect.Effect<boolean, ClusterError> {
    return Effect.zipWith(
      this.store.clock,
      Effect.clockWith((clock) => clock.monotonicTimeNanos),
      (now, nanos) => {
        const { last } = this
        const own = Number(nanos) / 1_000_000
        this.last = { store: now, own }
        const gap = last === undefined ? 0 : own - last.own
        const jump = last === undefined ? 0 : now - last.store - gap
        if (Math.abs(jump) > toleranceMillis || gap > toleranceMillis) this.quietUntil = own + this.quietMillis
        return own >= this.quietUntil
      }
    )
  }
}
