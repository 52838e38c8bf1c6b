/**
 * Says when members with expired rows can be judged. All rows expire at once if the store's clock jumps, if the store takes
 * no writes, or if all processes were frozen. Then nobody is judged until all members had time to renew their rows.
 *
 * A store may answer reads and refuse writes, as SQLite does while another process has the lock. So each process knows by
 * the renewals of its own row whether the others could renew theirs.
 */
import * as Effect from "effect/Effect"
import type { ClusterError } from "../../ClusterError.ts"
import * as MemberStore from "../store/memberStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"

/** The longest pause between two renewals of a row. */
export const renewMillis = 1000

/** The pause between two renewals of a row, in milliseconds: a second, or a third of a shorter time to live. */
export const pauseFor = (timeToLive: number): number => Math.min(timeToLive / 3, renewMillis)

/** The store's clock may jump by less, and two renewals may be less apart, without a consequence; in milliseconds. */
const toleranceMillis = 2 * renewMillis

/** After so many milliseconds with a store that takes writes, each living member has renewed its row. */
const quietMillis = 3 * renewMillis

/** The monotonic clock of this process, in milliseconds. */
export const ownClock: Effect.Effect<number> = Effect.clockWith(({ monotonicTimeNanos }) =>
  Effect.map(monotonicTimeNanos, (nanos) => Number(nanos) / 1_000_000)
)

export class Calm {
  private readonly store: ThreadStore
  /** How far the store's clock was ahead of this process's at the last look, in milliseconds. */
  private ahead: number | undefined = undefined
  /** By the clock of this process, as `quietUntil`. */
  private renewedAt: number
  private quietUntil: number

  /** A process that has just started has seen no renewals, and so is quiet at first. */
  private constructor(store: ThreadStore, now: number) {
    this.store = store
    this.renewedAt = now
    this.quietUntil = now + quietMillis
  }

  static make(store: ThreadStore): Effect.Effect<Calm> {
    return Effect.map(ownClock, (now) => new Calm(store, now))
  }

  /** Renews the row of this process for so many milliseconds, as every renewal after the first has to be made. */
  renew(own: MemberStore.Member, timeToLive: number): Effect.Effect<void, ClusterError> {
    return Effect.andThen(MemberStore.renew(this.store, own, timeToLive), this.renewed)
  }

  private readonly renewed: Effect.Effect<void> = Effect.map(ownClock, (now) => {
    this.noticeLate(now)
    this.renewedAt = now
  })

  /** Whether members can be judged now. Ask at least once in a few seconds. */
  get look(): Effect.Effect<boolean, ClusterError> {
    return Effect.zipWith(this.store.clock, ownClock, (stored, now) => {
      const jump = this.ahead === undefined ? 0 : stored - now - this.ahead
      this.ahead = stored - now
      if (Math.abs(jump) > toleranceMillis) this.quietUntil = now + quietMillis
      this.noticeLate(now)
      return now >= this.quietUntil
    })
  }

  private noticeLate(now: number): void {
    if (now - this.renewedAt > toleranceMillis) this.quietUntil = now + quietMillis
  }
}
