/**
 * A clock that stands still while anything can run and jumps to the next sleep when nothing can.
 *
 * Invariants:
 * 1. Time never goes back. Of the sleeps that are due at the same time the one that began first ends first, and all have
 *    ended before anything else happens, as with timers.
 * 2. A sleep that was interrupted is not pending.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

interface Sleep {
  readonly due: number
  readonly wake: () => void
}

/**
 * A virtual clock. It starts at zero milliseconds since the epoch.
 *
 * @category models
 * @since 0.1.0
 */
export interface VirtualClock extends Clock.Clock {
  /** How many sleeps are pending. */
  readonly pending: number
  /** When the next of them is due; undefined when there is none. */
  readonly next: number | undefined
  /** Goes to the time of the next sleep and ends all that are due then, before any of them goes on. False without one. */
  readonly advance: () => boolean
  /** Calls `wake` after some milliseconds. The result takes it back. */
  readonly after: (millis: number, wake: () => void) => () => void
}

/**
 * Where a clock keeps the time, in milliseconds. Several clocks may share one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hand {
  now: number
}

const nanosPerMilli = 1_000_000

class Virtual implements VirtualClock {
  private readonly hand: Hand
  /** Sorted by the time that they are due. */
  private readonly sleeps: Array<Sleep> = []
  readonly currentTimeMillis: Effect.Effect<number> = Effect.sync(() => this.hand.now)
  readonly currentTimeNanos: Effect.Effect<bigint> = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos: Effect.Effect<bigint> = this.currentTimeNanos

  constructor(hand: Hand) {
    this.hand = hand
  }

  get next(): number | undefined {
    return this.sleeps[0]?.due
  }

  get pending(): number {
    return this.sleeps.length
  }

  currentTimeMillisUnsafe(): number {
    return this.hand.now
  }

  currentTimeNanosUnsafe(): bigint {
    return BigInt(Math.round(this.hand.now * nanosPerMilli))
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.currentTimeNanosUnsafe()
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const millis = Duration.toMillis(duration)
    if (millis <= 0) return Effect.yieldNow
    if (millis === Infinity) return Effect.never
    return Effect.callback((resume) => {
      const cancel = this.after(millis, () => resume(Effect.void))
      return Effect.sync(cancel)
    })
  }

  advance(): boolean {
    const due = this.next
    if (due === undefined) return false
    this.hand.now = Math.max(this.hand.now, due)
    // Those that a wake begins are due later; one that it takes back is not there any more.
    while (this.next === due) this.sleeps.shift()!.wake()
    return true
  }

  after(millis: number, wake: () => void): () => void {
    const sleep: Sleep = { due: this.hand.now + millis, wake }
    const later = this.sleeps.findIndex((other) => other.due > sleep.due)
    if (later < 0) this.sleeps.push(sleep)
    else this.sleeps.splice(later, 0, sleep)
    return () => {
      const index = this.sleeps.indexOf(sleep)
      if (index >= 0) this.sleeps.splice(index, 1)
    }
  }
}

/**
 * Makes a clock, by default one with a time of its own.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (hand: Hand = { now: 0 }): VirtualClock => new Virtual(hand)
