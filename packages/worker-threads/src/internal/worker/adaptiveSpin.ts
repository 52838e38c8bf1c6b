/**
 * The moment after a worker's last task: whoever sends one task at a time sends the next one as soon as it hears of the
 * end, and a thread that has gone to sleep takes longer to be woken than that. So it stays awake for a moment, as long as
 * that has been worth it of late: adaptive spinning, as schedulers (Go's) and locks do it.
 */
import { availableParallelism } from "node:os"
import type { RingReader } from "../wire/ring.ts"

/** About what it takes to wake the host and to hear from it. */
const watchMillis = 0.05

/** After a moment in vain, so many ends of tasks pass until it is tried again. */
const pause = 15

/** Where threads take turns on one core, to watch is to be in the way. */
const hasOneCore = availableParallelism() === 1

export class AdaptiveSpin {
  private readonly ring: RingReader
  private passes = 0

  constructor(ring: RingReader) {
    this.ring = ring
  }

  /** Whether something has come. */
  watch(): boolean {
    if (hasOneCore || this.passes-- > 0) return false
    const came = this.ring.watch(watchMillis)
    this.passes = came ? 0 : pause
    return came
  }
}
