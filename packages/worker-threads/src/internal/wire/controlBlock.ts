/**
 * The memory that host and worker share. Writes reach the worker while its event loop is busy.
 *
 * Layout, in 32-bit words: a header, then one row for each task slot. The host alone writes the flags and deadlines of
 * a slot, and clears them before the slot's next task is sent. The worker alone writes the heartbeat, the running section
 * and the time of its last call. Both write the number of checks until a token looks at the flags; the host sets it to 0
 * with each flag.
 *
 * Invariants:
 * 1. A slot belongs to one task from before its start is sent until its exit has arrived.
 * 2. A section is marked as running before the worker looks at the slot's flags. The host stores a flag before it looks
 *    at the running section. At least one side therefore sees the other.
 * 3. A slot's claim is the id of its task until the worker starts the task or the host takes the task back. Only the side
 *    that has cleared the claim does so.
 */
export const word = {
  heartbeat: 0,
  /** The running section and the number of its run: see `sectionWord.ts`. */
  section: 1,
  /** The id of the section's task. A fiber may outlive its task, so the slot may already belong to another task. */
  sectionTask: 2,
  /** The section's grace: how long it may take to end by itself after an interrupt, in milliseconds. */
  sectionGrace: 3,
  /** How long the last call of a plain function took, in microseconds. */
  callMicros: 4
} as const

const header = 8

/**
 * A row: flags, the checks until a token looks at them, the deadline as a 64-bit float of milliseconds since the epoch, the
 * claim, and a word without use.
 */
const row = 6

/** The time of the last call before there is one, and the longest that is stored. */
export const maxMicros = 1_000_000_000

export const stopFlag = 1
export const interruptFlag = 2

export interface ControlBlock {
  readonly buffer: SharedArrayBuffer
  readonly words: Int32Array<SharedArrayBuffer>
  readonly floats: Float64Array<SharedArrayBuffer>
}

export const make = (slots: number): ControlBlock => {
  const self = fromBuffer(new SharedArrayBuffer((header + slots * row) * 4))
  self.words[word.callMicros] = maxMicros
  return self
}

export const fromBuffer = (buffer: SharedArrayBuffer): ControlBlock => ({
  buffer,
  words: new Int32Array(buffer),
  floats: new Float64Array(buffer)
})

/** The number of slots. */
export const slots = (self: ControlBlock): number => (self.words.length - header) / row

const flagsAt = (slot: number): number => header + slot * row
const checksAt = (slot: number): number => flagsAt(slot) + 1
const deadlineAt = (slot: number): number => flagsAt(slot) / 2 + 1
const claimAt = (slot: number): number => flagsAt(slot) + 4

/** Clears a slot for its next task. The start of the task, which is sent after this, makes the words visible to the worker. */
export const reset = (self: ControlBlock, slot: number, id: number, deadline: number): void => {
  self.words[flagsAt(slot)] = 0
  self.words[checksAt(slot)] = 0
  self.floats[deadlineAt(slot)] = deadline
  self.words[claimAt(slot)] = id
}

/** Claims a task that has not started: the worker to start the task, the host to take the task back. False if it is too late. */
export const claim = (self: ControlBlock, slot: number, id: number): boolean =>
  Atomics.compareExchange(self.words, claimAt(slot), id, 0) === id

export const raiseFlags = (self: ControlBlock, slot: number, flags: number): void => {
  Atomics.or(self.words, flagsAt(slot), flags)
  Atomics.store(self.words, checksAt(slot), 0)
}

export const flags = (self: ControlBlock, slot: number): number => Atomics.load(self.words, flagsAt(slot))

/** The word that counts the checks of a slot. */
export const checks = (self: ControlBlock, slot: number): Int32Array =>
  self.words.subarray(checksAt(slot), checksAt(slot) + 1)

export const deadline = (self: ControlBlock, slot: number): number => self.floats[deadlineAt(slot)]!

export const beat = (self: ControlBlock): void => {
  Atomics.add(self.words, word.heartbeat, 1)
}
