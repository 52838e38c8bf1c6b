/**
 * Deaths in a row of workers that were not useful, and the pause before the next attempt to start a worker.
 *
 * Invariant: each pause is twice as long as the one before, up to `longestPauseMillis`. Workers that were started together
 * fail together and count once.
 */
const firstPauseMillis = 20
export const longestPauseMillis = 30_000

export class StartFailures {
  private readonly retry: () => void
  private pause: NodeJS.Timeout | undefined = undefined
  count = 0
  /** Whether the last worker was never ready. */
  toStart = false

  /** `retry` is called after each pause. */
  constructor(retry: () => void) {
    this.retry = retry
  }

  /** Whether no worker is started until the pause is over. */
  get isPausing(): boolean {
    return this.pause !== undefined && this.toStart
  }

  /** Counts a death and begins a pause. False if the death belongs to one that was counted before. */
  add(toStart: boolean): boolean {
    if (this.pause !== undefined && (this.toStart || !toStart)) return false
    clearTimeout(this.pause)
    this.count++
    this.toStart = toStart
    this.pause = setTimeout(
      () => {
        this.pause = undefined
        this.retry()
      },
      Math.min(firstPauseMillis * 2 ** (this.count - 1), longestPauseMillis)
    )
    return true
  }

  /** Whether a pause keeps the process alive. */
  keepAlive(keeps: boolean): void {
    if (keeps) this.pause?.ref()
    else this.pause?.unref()
  }

  /** A useful worker proves nothing about starting others. */
  workerWasUseful(): void {
    if (!this.toStart) this.count = 0
  }

  reset(): void {
    clearTimeout(this.pause)
    this.pause = undefined
    this.count = 0
    this.toStart = false
  }
}
