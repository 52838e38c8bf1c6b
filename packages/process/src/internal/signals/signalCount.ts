/**
 * Counts the signals that ask a program to end.
 *
 * A wrapper such as pnpm forwards the signal of a Ctrl-C that the terminal has sent to the program as well, and a key that
 * is held down repeats. Signals of one kind in quick succession therefore count once.
 */
import type { Signal } from "./signalName.ts"

/** The pause after which a signal of the same kind counts again, in milliseconds. */
const pause = 100

export type Counted = "First" | "Second" | "Third" | "Repeated"

export class SignalCount {
  private count = 0
  private last: { readonly signal: Signal; readonly at: number } | undefined = undefined

  /** The time in which another signal of the same kind as the last one does not count, in milliseconds. */
  repeatsFor(now: number): number {
    return this.last === undefined ? 0 : Math.max(0, this.last.at + pause - now)
  }

  /** Counts a signal that came at `now`, in milliseconds by any clock. */
  add(signal: Signal, now: number): Counted {
    const { last } = this
    this.last = { signal, at: now }
    if (last !== undefined && last.signal === signal && now - last.at < pause) return "Repeated"
    this.count++
    return this.count === 1 ? "First" : this.count === 2 ? "Second" : "Third"
  }
}
