/** The timers of one run, in the virtual time that host and worker share. */
import { cell, type Cells } from "../workers/messages.ts"

interface Timer {
  readonly due: number
  readonly wake: () => void
}

export class Timers {
  private readonly cells: Cells
  /** Sorted by their ends. */
  private readonly timers: Array<Timer> = []

  constructor(cells: Cells) {
    this.cells = cells
  }

  get now(): number {
    return Atomics.load(this.cells, cell.now)
  }

  get pending(): number {
    return this.timers.length
  }

  get next(): number | undefined {
    return this.timers[0]?.due
  }

  /** Calls `wake` after some milliseconds. The result cancels the call. */
  after(millis: number, wake: () => void): () => void {
    const timer: Timer = { due: this.now + millis, wake }
    const later = this.timers.findIndex((other) => other.due > timer.due)
    this.timers.splice(later < 0 ? this.timers.length : later, 0, timer)
    return () => {
      const index = this.timers.indexOf(timer)
      if (index >= 0) this.timers.splice(index, 1)
    }
  }

  /** Lets time pass in synchronous code. */
  pass(millis: number): void {
    Atomics.store(this.cells, cell.now, this.now + millis)
  }

  /** Jumps to the end of the next timer. False without a timer. */
  advance(): boolean {
    const due = this.next
    if (due === undefined) return false
    Atomics.store(this.cells, cell.now, Math.max(this.now, due))
    while (this.next === due) this.timers.shift()!.wake()
    return true
  }
}
