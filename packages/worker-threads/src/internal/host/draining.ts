/**
 * The tasks that a pool ends when it closes, and the wait for the others.
 *
 * Invariant: a task that was in the pool when a drain began counts once in the report of that drain.
 */
import * as Effect from "effect/Effect"

/** Counts of tasks since the beginning of a drain. */
export interface DrainReport {
  readonly finished: number
  readonly cut: number
  readonly neverStarted: number
}

export class Draining {
  private cut = 0
  private neverStarted = 0
  private readonly waiters: Set<() => void> = new Set()

  /** Running tasks are ended from now on. */
  ended(running: number): void {
    this.cut += running
  }

  /** Tasks have ended that never ran. */
  unstarted(count: number): void {
    this.neverStarted += count
  }

  /** Begins a drain of this number of tasks. The result makes the report. */
  begin(tasks: number): () => DrainReport {
    const before = { cut: this.cut, neverStarted: this.neverStarted }
    return () => {
      const cut = this.cut - before.cut
      const neverStarted = this.neverStarted - before.neverStarted
      return { finished: tasks - cut - neverStarted, cut, neverStarted }
    }
  }

  /** Completes when no task is left. */
  readonly whenIdle: Effect.Effect<void> = Effect.callback((resume) => {
    const wake = () => resume(Effect.void)
    this.waiters.add(wake)
    return Effect.sync(() => {
      this.waiters.delete(wake)
    })
  })

  /** Whether a drain waits. */
  get isAwaited(): boolean {
    return this.waiters.size > 0
  }

  /** No task is left. */
  idle(): void {
    for (const wake of this.waiters) wake()
    this.waiters.clear()
  }
}
