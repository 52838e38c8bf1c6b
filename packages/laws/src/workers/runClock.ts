/** The clock of a worker, which is the clock of the current run. */
import * as VirtualClock from "@quiesce/testing/VirtualClock"
import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { cell, type Cells } from "./messages.ts"

/** The shared time of host and worker. */
export const handOf = (cells: Cells): VirtualClock.Hand => ({
  get now() {
    return Atomics.load(cells, cell.now)
  },
  set now(now) {
    Atomics.store(cells, cell.now, now)
  }
})

export class RunClock implements Clock.Clock {
  private readonly hand: VirtualClock.Hand
  private current: VirtualClock.VirtualClock
  readonly currentTimeMillis: Effect.Effect<number> = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos: Effect.Effect<bigint> = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos: Effect.Effect<bigint> = this.currentTimeNanos

  constructor(hand: VirtualClock.Hand) {
    this.hand = hand
    this.current = VirtualClock.make(this.hand)
  }

  /** A clock for a new run. Sleeps of the clock before never end. */
  renew(): VirtualClock.VirtualClock {
    return (this.current = VirtualClock.make(this.hand))
  }

  currentTimeMillisUnsafe(): number {
    return this.hand.now
  }

  currentTimeNanosUnsafe(): bigint {
    return this.current.currentTimeNanosUnsafe()
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.current.monotonicTimeNanosUnsafe()
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.suspend(() => this.current.sleep(duration))
  }
}
