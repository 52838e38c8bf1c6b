/**
 * A ring in shared memory, from one writing thread to one reading thread. It carries small plain data, for which a
 * message would cost more than the data and would wait for the end of the reader's turn, and bytes up to half of its size.
 *
 * On two cores, in microseconds a task, with and without the ring: one caller 103 and 196, 64 callers 5.5 and 19.3.
 * Beside two busy processes, 64 callers 12 and 38. Bytes for one caller, by the ring and by messages, with host and worker
 * kept on one core and then on two: 16 kB 51 and 76, 63 and 175; 64 kB 108 and 109, 169 and 185. Beside two busy processes:
 * 16 kB 134 and 212, 158 and 306; 64 kB 208 and 183, 266 and 307.
 *
 * An awake reader can read an entry at once, and looks again before it sleeps. A sleeping reader has to be woken by a
 * message, for the first entry that is written from then on. A blocked reader is woken by the writer itself, which is
 * faster than a message, and reads all that has come by either way.
 *
 * Invariants:
 * 1. Only the writer stores `tail`, only the reader stores `head`, and the words between them are not changed.
 * 2. An entry is visible as a whole, because `tail` is stored after the entry is written.
 * 3. While there is an entry, the reader is awake or its wake-up is under way: the writer stores `tail` before it reads
 *    `awake`, and the reader stores `awake` before it reads `tail` for the last time.
 * 4. Only the reader says that it blocks, and only the writer ends that before its time.
 */
import { BadWords, Reader, Writer } from "./plainData.ts"

// Both threads write these words. Each is on a cache line of its own.
const head = 0
const tail = 16
const awake = 32
const header = 48

/** The values of the word at `awake`. */
const asleep = 0
const isAwake = 1
const blocked = 2

const length = 65_536

/** Positions are counted up to twice the length. Otherwise a full ring would look like an empty one. */
const positions = 2 * length - 1

/** The largest entry without its bytes, and with them. One entry must not fill the ring. */
const maxEntry = 1024
const maxWithBytes = maxEntry + 32_768

/** How often a spinning reader looks at the memory before it looks at the time. */
const looksAtOnce = 100

/** A spinning thread that takes so long for its looks was not running all the time, in milliseconds. */
const lostMillis = 0.02

/** The memory of a ring whose reader sleeps. */
export const make = (): SharedArrayBuffer => new SharedArrayBuffer((header + length) * 4)

const wordsOf = (buffer: SharedArrayBuffer): Int32Array => new Int32Array(buffer, header * 4, length)

export class RingWriter {
  protected readonly state: Int32Array
  readonly #writer: Writer
  #at = 0
  /** The value of `head` when it was last read. */
  #head = 0

  constructor(buffer: SharedArrayBuffer) {
    this.state = new Int32Array(buffer, 0, header)
    this.#writer = new Writer(wordsOf(buffer))
  }

  /** Writes an entry. False if the value is not small plain data, or the ring is full. */
  write(first: number, second: number, third: number, value: unknown): boolean {
    const at = this.#at
    const writer = this.#writer
    // A getter of a value writes a value of its own.
    if (writer.end > 0) return false
    if (this.#room < maxWithBytes) this.#head = Atomics.load(this.state, head)
    writer.left = Math.min(this.#room, maxWithBytes) - maxEntry
    if (writer.left < 0) return false
    writer.at = at
    writer.end = at + maxEntry
    let isWritten = false
    try {
      isWritten = writer.word(first) && writer.word(second) && writer.word(third) && writer.value(value)
    } catch {
      // A getter has thrown, which a clone then says.
    }
    writer.end = 0
    if (!isWritten) return false
    this.#at = writer.at & positions
    Atomics.store(this.state, tail, this.#at)
    return true
  }

  get #room(): number {
    return length - ((this.#at - this.#head) & positions)
  }

  /** Whether the caller has to wake the reader by a message. */
  mustWake(): boolean {
    return Atomics.load(this.state, awake) === asleep && Atomics.exchange(this.state, awake, isAwake) === asleep
  }
}

/** A writer whose reader may block. */
export class RousingWriter extends RingWriter {
  /** Wakes a blocked reader. Whether the caller has to wake the reader by a message. */
  override mustWake(): boolean {
    return !this.rouse() && super.mustWake()
  }

  /** Wakes a blocked reader, also for a message that goes another way. False if the reader is not blocked. */
  rouse(): boolean {
    if (Atomics.load(this.state, awake) !== blocked) return false
    if (Atomics.compareExchange(this.state, awake, blocked, isAwake) !== blocked) return false
    Atomics.notify(this.state, awake)
    return true
  }
}

/** Receives an entry. */
export type Take = (first: number, second: number, third: number, value: unknown) => void

export class RingReader {
  readonly #state: Int32Array
  readonly #reader: Reader
  #at = 0

  constructor(buffer: SharedArrayBuffer) {
    this.#state = new Int32Array(buffer, 0, header)
    this.#reader = new Reader(wordsOf(buffer))
  }

  /** Reads up to `most` entries and returns their number. Throws `BadWords` for words that no writer has written. */
  read(take: Take, most: number): number {
    const reader = this.#reader
    const end = Atomics.load(this.#state, tail)
    if (end < 0 || end > positions || ((end - this.#at) & positions) > length) {
      throw new BadWords("bad end")
    }
    let count = 0
    while (this.#at !== end && count < most) {
      reader.at = this.#at
      reader.end = this.#at + Math.min((end - this.#at) & positions, maxWithBytes)
      const first = reader.word()
      const second = reader.word()
      const third = reader.word()
      const value = reader.value()
      this.#at = reader.at & positions
      // Stored before `take` is called, which may be ended by force.
      Atomics.store(this.#state, head, this.#at)
      count++
      take(first, second, third, value)
    }
    return count
  }

  /** The reader does not sleep, and the writer sends no message. */
  stayAwake(): void {
    Atomics.store(this.#state, awake, isAwake)
  }

  /** Whether there is an entry that was not read. */
  get hasEntry(): boolean {
    return Atomics.load(this.#state, tail) !== this.#at
  }

  /**
   * Blocks the thread until an entry comes or the writer rouses the thread: looks at the memory for `spinMillis`, and
   * then waits for at most `millis`. Does not block if `hasOther`, which is asked when the writer already sees that the
   * thread blocks. Afterwards the reader is awake. False if looking at the memory was in vain or lost the thread its
   * core.
   */
  block(spinMillis: number, millis: number, hasOther: () => boolean): boolean {
    Atomics.store(this.#state, awake, blocked)
    const isDone = this.hasEntry || hasOther() || this.#spin(spinMillis)
    if (!isDone) Atomics.wait(this.#state, awake, blocked, millis)
    this.stayAwake()
    return isDone
  }

  /**
   * Whether the writer has roused the thread meanwhile. False as soon as the thread has lost its core: another thread
   * needs the core, perhaps the writer itself.
   */
  #spin(millis: number): boolean {
    if (millis === 0) return false
    let now = performance.now()
    const end = now + millis
    let last: number
    do {
      let isRoused = false
      for (let i = 0; i < looksAtOnce && !isRoused; i++) isRoused = Atomics.load(this.#state, awake) !== blocked
      last = now
      now = performance.now()
      if (isRoused) return now - last < lostMillis
    } while (now < end && now - last < lostMillis)
    return false
  }

  /** False if an entry has come meanwhile, and the reader stays awake. */
  sleep(): boolean {
    Atomics.store(this.#state, awake, asleep)
    return !this.hasEntry || Atomics.exchange(this.#state, awake, isAwake) !== asleep
  }
}
