/**
 * Small plain data from one thread to another in shared memory, where a message each would cost more than what it is
 * about, and would wait for a thread that does not come to the end of its turn.
 *
 * What is written can be read at once, by a reader that is awake: it looks again before it sleeps. One that sleeps has
 * to be called by a message, for the first of all that is written from then on.
 *
 * Invariants:
 * 1. One thread writes and one reads. Only the writer stores `tail`, only the reader `head`; what is between them is
 *    not changed.
 * 2. An entry is there as a whole or not at all: `tail` is stored when it has been written.
 * 3. While something is there, the reader is awake or its call is under way: the writer stores `tail` before it looks at
 *    `awake`, and the reader stores `awake` before it looks at `tail` for the last time.
 */
import { Reader, Writer } from "./plainData.ts"

// What both threads write, apart from each other, so that they do not share a line of the cache.
const head = 0
const tail = 16
const awake = 32
const header = 48

const length = 16_384

/** Positions are counted up to twice the length, so that a full ring is not taken for an empty one. */
const positions = 2 * length - 1

/** The largest entry, so that one can't fill the ring. */
const maxEntry = 1024

/** How often a reader that watches looks until it looks at the time. */
const looksAtOnce = 100

/** The memory of a ring, whose reader is asleep. */
export const make = (): SharedArrayBuffer => new SharedArrayBuffer((header + length) * 4)

const wordsOf = (buffer: SharedArrayBuffer): Int32Array => new Int32Array(buffer, header * 4, length)

export class RingWriter {
  private readonly state: Int32Array
  private readonly writer: Writer
  private at = 0
  /** What was seen of `head` last. */
  private head = 0

  constructor(buffer: SharedArrayBuffer) {
    this.state = new Int32Array(buffer, 0, header)
    this.writer = new Writer(wordsOf(buffer))
  }

  /** Writes an entry; false where it is not for a ring, or the ring is full. */
  write(first: number, second: number, third: number, value: unknown): boolean {
    const { at, writer } = this
    if (!this.hasRoom) {
      this.head = Atomics.load(this.state, head)
      if (!this.hasRoom) return false
    }
    writer.at = at
    writer.end = at + maxEntry
    const done = writer.word(first) && writer.word(second) && writer.word(third) && writer.value(value)
    if (!done) return false
    this.at = writer.at & positions
    Atomics.store(this.state, tail, this.at)
    return true
  }

  private get hasRoom(): boolean {
    return ((this.at - this.head) & positions) + maxEntry <= length
  }

  /** Whether the reader has to be called, which is then for whoever asked to do. */
  mustWake(): boolean {
    return Atomics.load(this.state, awake) === 0 && Atomics.exchange(this.state, awake, 1) === 0
  }
}

/** Of an entry. */
export type Take = (first: number, second: number, third: number, value: unknown) => void

export class RingReader {
  private readonly state: Int32Array
  private readonly reader: Reader
  private at = 0

  constructor(buffer: SharedArrayBuffer) {
    this.state = new Int32Array(buffer, 0, header)
    this.reader = new Reader(wordsOf(buffer))
  }

  /** Takes what is there, up to `most` entries; their number. Throws `BadWords` for what no writer has written. */
  read(take: Take, most: number): number {
    const { reader } = this
    const end = Atomics.load(this.state, tail)
    let count = 0
    while (this.at !== end && count < most) {
      reader.at = this.at
      reader.end = this.at + Math.min((end - this.at) & positions, maxEntry)
      const first = reader.word()
      const second = reader.word()
      const third = reader.word()
      const value = reader.value()
      this.at = reader.at & positions
      // Before it is told of, as that may end what is told.
      Atomics.store(this.state, head, this.at)
      count++
      take(first, second, third, value)
    }
    return count
  }

  /** Is awake, and looks until something is there; false where nothing has come in time, and the reader sleeps. */
  watch(millis: number): boolean {
    Atomics.store(this.state, awake, 1)
    const end = performance.now() + millis
    do {
      for (let i = 0; i < looksAtOnce; i++) if (Atomics.load(this.state, tail) !== this.at) return true
    } while (performance.now() < end)
    return !this.sleep()
  }

  /** False where something has come in the meantime, and the reader stays awake. */
  sleep(): boolean {
    Atomics.store(this.state, awake, 0)
    return Atomics.load(this.state, tail) === this.at || Atomics.exchange(this.state, awake, 1) !== 0
  }
}
