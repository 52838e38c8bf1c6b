/**
 * Watches for the answer to a task that is alone in its worker, so that the worker need not wake this thread by a message. The
 * message costs both threads a lock and system calls.
 *
 * Where other threads want the cores, a woken worker often takes the core of this thread. It has then answered before its
 * wake-up returns, and the answer is read in this turn. Otherwise this thread goes through a few turns of the event loop in
 * place of a sleep, because waking a sleeping thread takes up to 0.1 ms where the cores are idle. A watch in vain is left out
 * for a while, the longer the more often: the worker may need the core of this thread.
 *
 * Invariants:
 * 1. Answers that are read in the turn of their calls hold up the event loop for at most a millisecond.
 * 2. After the end of a watch, this thread sleeps or reads.
 *
 * Nothing here loads Effect.
 */
import type { RingReader } from "../wire/ring.ts"

/** How long a watch lasts, in milliseconds. */
const watchMillis = 0.05

/** For how long answers are read without a turn of the event loop, in milliseconds. */
const turnMillis = 1

/** For how many tasks a watch is left out after one in vain. */
const shortestPause = 15
const longestPause = 1000

/** Reads the answers. `isNewTurn`: other work of the event loop has had its turn. */
type Read = (isNewTurn: boolean) => void

export class AnswerWatch {
  private readonly values: RingReader
  private readonly read: Read
  /** When the event loop has to get a turn. */
  private turnDue = 0
  /** When the watch ends. 0 without a watch. */
  private end = 0
  private isLooking = false
  private pause = shortestPause
  /** The tasks that are left without a watch. */
  private passes = 0

  constructor(values: RingReader, read: Read) {
    this.values = values
    this.read = read
  }

  /** Before the worker is woken: it then answers without a message. */
  prepare(): void {
    this.values.stayAwake()
  }

  /** After the worker was woken. */
  begin(): void {
    if (this.values.hasEntry) return this.readSoon()
    if (this.passes-- > 0) {
      if (!this.values.sleep()) this.readSoon()
      return
    }
    this.end = performance.now() + watchMillis
    this.lookLater()
  }

  /** The event loop has had a turn, in which all answers are read. */
  turned(): void {
    this.turnDue = performance.now() + turnMillis
    this.end = 0
  }

  /** The call is made in the middle of a step, which must end before its answer is read. */
  private readSoon(): void {
    if (performance.now() < this.turnDue) queueMicrotask(this.readHere)
    else setImmediate(this.readLater)
  }

  private readonly readHere = (): void => this.read(false)

  private readonly readLater = (): void => this.read(true)

  private lookLater(): void {
    if (this.isLooking) return
    this.isLooking = true
    setImmediate(this.look)
  }

  private readonly look = (): void => {
    this.isLooking = false
    if (this.end === 0) return
    const came = this.values.hasEntry
    if (!came && performance.now() < this.end) return this.lookLater()
    this.passes = came ? 0 : this.pause
    this.pause = came ? Math.max(shortestPause, this.pause / 2) : Math.min(longestPause, this.pause * 2)
    this.read(true)
  }
}
