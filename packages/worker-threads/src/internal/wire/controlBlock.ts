/**
 * What host and worker share in memory: it arrives while the worker's event loop is busy.
 *
 * Layout, in 32-bit words: a header, then one row a task slot. The host alone writes the flags and deadlines of a slot,
 * and clears them before the slot's next task is sent; the worker alone writes the heartbeat and what says which
 * section runs. Both write how many checks are left until a token looks: the host sets that to none with each flag.
 *
 * Invariants:
 * 1. A slot belongs to one task from before it is sent until its exit has arrived.
 * 2. A section stores that it runs before it looks at its slot's flags, and the host stores a flag before it looks at
 *    which section runs: at least one of them sees the other.
 */
export const word = {
  heartbeat: 0,
  /** Which run of which section is under way: see the section runner. */
  section: 1,
  /** The id of the task whose section runs: its slot may be another's by then, as a fiber may outlive its task. */
  sectionTask: 2,
  /** The milliseconds that the section was given to notice an interrupt by itself. */
  sectionGrace: 3
} as const

const header = 8

/** Flags, the checks left until a token looks at them, then the deadline as a 64-bit float of milliseconds since the epoch. */
const row = 4

export const stopFlag = 1
export const interruptFlag = 2

export interface ControlBlock {
  readonly buffer: SharedArrayBuffer
  readonly words: Int32Array<SharedArrayBuffer>
  readonly floats: Float64Array<SharedArrayBuffer>
}

export const make = (slots: number): ControlBlock => fromBuffer(new SharedArrayBuffer((header + slots * row) * 4))

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

/** Makes a slot ready for its next task. */
export const reset = (self: ControlBlock, slot: number, deadline: number): void => {
  Atomics.store(self.words, flagsAt(slot), 0)
  Atomics.store(self.words, checksAt(slot), 0)
  self.floats[deadlineAt(slot)] = deadline
}

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
