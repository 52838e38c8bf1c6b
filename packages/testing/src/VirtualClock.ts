/**
 * A clock that stands still while a task can run, and otherwise jumps to the end of the next sleep.
 *
 * Invariants:
 * 1. Time never goes back. Sleeps of the same time end in the order of their beginnings, and all end before any other task
 *    runs, as with timers. A sleep ends late if synchronous code has let time pass.
 * 2. An interrupted sleep is not pending.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { gotText } from "./internal/wording.ts"

interface Sleep {
  readonly due: number
  readonly wake: () => void
}

/**
 * A virtual clock. It starts at zero milliseconds since the epoch.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface VirtualClock extends Clock.Clock {
  /** The number of pending sleeps. */
  readonly pending: number
  /** The end of the next sleep; undefined without a pending sleep. */
  readonly next: number | undefined
  /** Jumps to the end of the next sleep and ends all sleeps of that time. False without a pending sleep. */
  readonly advance: () => boolean
  /**
   * Calls `wake` after some milliseconds, a finite number; a negative number counts as zero. The result cancels the call.
   */
  readonly after: (millis: number, wake: () => void) => () => void
  /**
   * Lets time pass, as in synchronous code: no sleep ends before the next `advance`. Throws for a negative number of
   * milliseconds, because time never goes back.
   */
  readonly pass: (millis: number) => void
}

/**
 * The time of a clock, in milliseconds. Several clocks may share one time.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Hand {
  now: number
}

const wrongMillis = (method: "after" | "pass", given: unknown, further = ""): TypeError =>
  new TypeError(gotText(`VirtualClock.${method}`, given, `a finite number of milliseconds${further}`))

const nanosPerMilli = 1_000_000

class Virtual implements VirtualClock {
  private readonly hand: Hand
  /** The pending sleeps, sorted by their ends. */
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
    // A wake may begin later sleeps, or cancel a sleep of this time.
    while (this.next === due) this.sleeps.shift()!.wake()
    return true
  }

  pass(millis: number): void {
    if (!(Number.isFinite(millis) && millis >= 0)) throw wrongMillis("pass", millis, ", not negative")
    this.hand.now += millis
  }

  after(millis: number, wake: () => void): () => void {
    if (!Number.isFinite(millis)) throw wrongMillis("after", millis)
    const sleep: Sleep = { due: this.hand.now + Math.max(0, millis), wake }
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
 * Makes a clock (default: with a time of its own).
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (hand: Hand = { now: 0 }): VirtualClock => new Virtual(hand)
