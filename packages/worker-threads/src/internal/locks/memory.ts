/**
 * The shared memory of a lock. Each transition of the state is atomic, even if a thread dies in the middle of one.
 *
 * There is no inner lock that a dying thread could hold. A thread computes a transition on its own copy of the state,
 * and one compare-exchange on the root makes that copy the state (Herlihy, "A methodology for implementing highly
 * concurrent data objects").
 *
 * Layout: the root (64 bits: version, index of the current copy), `magic`, `total` permits, the next request id, the
 * lock's name (two words: the thread that made the lock, and a number from that thread), a word for `isSame`, a slot for
 * each participant thread, a wake word for each request, and two copies of the state for each slot.
 *
 * Invariants:
 * 1. Only the thread in a slot writes the slot's two copies, and never the current copy.
 * 2. The version grows with each transition. If the root has not changed since it was read, the copy behind it was not
 *    written meanwhile, and the transition computed from it is right. Otherwise the transition is discarded.
 * 3. A slot is released only by its own thread between two transitions, or after the end of that thread. A dead thread
 *    leaves at most a copy that no thread reads.
 * 4. A waiter reads its wake word, looks at the state and then waits on the word. A transition adds to the wake words
 *    of the affected requests afterwards. A wake-up is therefore lost only if its sender dies in between. `wakeAll`
 *    makes up for that, and synchronous waiters look again each second.
 * 5. No content of the memory makes a function here throw, or read or write outside the memory. The first transition
 *    from a state that is not sound makes the lock unusable.
 */
import { threadId } from "node:worker_threads"
import * as LockError from "../../LockError.ts"
import { initial, isSound, maxRequests, ruin, stateSize, usedSize } from "./state.ts"

/** How many threads can use a lock at the same time. */
const maxParticipants = 64

const MAGIC = 2
const TOTAL = 3
const NEXT_ID = 4
const MAKER = 5
const NUMBER = 6
const PROBE = 7
const PARTICIPANTS = 8
const WAKES: number = PARTICIPANTS + maxParticipants
const COPIES: number = WAKES + maxRequests
const copies = 2 * maxParticipants
const byteSize = 4 * (COPIES + copies * stateSize)

/** "QLk" and the version of the layout. */
const magic = 0x51_4c_6b_02

/** The key of a thread in shared memory: unique in the process for ever, and never 0. */
export const keyOf = (id: number): number => id + 1
export const ownKey: number = keyOf(threadId)
export const threadOf = (key: number): number => key - 1

/** A lock's memory as one thread sees it. */
export interface Memory {
  readonly ints: Int32Array
  readonly root: BigInt64Array
  readonly total: number
  /** Whether this thread has made the lock. The maker always has the first slot, because it must be able to report a death. */
  readonly isOwn: boolean
  /** The last known slot of this thread, checked at each use. */
  slot: number
}

export const isLockBuffer = (u: unknown): u is SharedArrayBuffer =>
  isLockSized(u) && Atomics.load(new Int32Array(u), MAGIC) === magic

/** Whether a value may be the buffer of a lock that a thread has written over. */
export const isLockSized = (u: unknown): u is SharedArrayBuffer =>
  u instanceof SharedArrayBuffer && u.byteLength === byteSize

let made = 0

export const make = (total: number): SharedArrayBuffer => {
  // A growable buffer has pages of its own. Only the used ones take memory, and they are freed with the buffer.
  const buffer = new SharedArrayBuffer(byteSize, { maxByteLength: byteSize })
  const ints = new Int32Array(buffer)
  ints[TOTAL] = total
  ints[MAKER] = ownKey
  ints[NUMBER] = ++made
  ints[PARTICIPANTS] = ownKey
  initial(copyAt(ints, 0), total)
  Atomics.store(ints, MAGIC, magic)
  return buffer
}

/** Equal for all buffers of one lock. A thread can write the name of another lock into a buffer; see `isSame`. */
export const nameOf = (buffer: SharedArrayBuffer): string => {
  const ints = new Int32Array(buffer)
  return `${ints[MAKER]}/${ints[NUMBER]}`
}

/** Whether a buffer is of the same memory: a number that is written through the one is read through the other. */
export const isSame = ({ ints }: Memory, buffer: SharedArrayBuffer): boolean => {
  const others = new Int32Array(buffer)
  for (;;) {
    const probe = (Math.random() * 2 ** 32) | 0
    Atomics.store(ints, PROBE, probe)
    if (Atomics.load(others, PROBE) === probe) return true
    // Otherwise another thread has written a number of its own meanwhile.
    if (Atomics.load(ints, PROBE) === probe) return false
  }
}

/** A lock's memory as this thread sees it through a buffer. */
export const view = (buffer: SharedArrayBuffer, isOwn: boolean): Memory => {
  const ints = new Int32Array(buffer)
  return { ints, root: new BigInt64Array(buffer, 0, 1), total: Atomics.load(ints, TOTAL), isOwn, slot: 0 }
}

const copyAt = (ints: Int32Array, index: number): Int32Array => {
  const start = COPIES + index * stateSize
  return ints.subarray(start, start + stateSize)
}

/** Unique among the living requests of a lock. */
export const nextId = (memory: Memory): number => Atomics.add(memory.ints, NEXT_ID, 1)

const claimSlot = (memory: Memory, name: string): number => {
  const slot = findSlot(memory)
  if (slot >= 0) return slot
  throw LockError.make({ _tag: "LockFull", lock: name, problem: `${maxParticipants} threads use it already` })
}

/** A slot of this thread; -1 if all slots are taken. */
const findSlot = (memory: Memory): number => {
  const { ints } = memory
  if (memory.isOwn || Atomics.load(ints, PARTICIPANTS + memory.slot) === ownKey) return memory.slot
  for (let slot = 0; slot < maxParticipants; slot++) {
    if (Atomics.load(ints, PARTICIPANTS + slot) === ownKey) return (memory.slot = slot)
  }
  for (let slot = 0; slot < maxParticipants; slot++) {
    if (Atomics.compareExchange(ints, PARTICIPANTS + slot, 0, ownKey) === 0) return (memory.slot = slot)
  }
  return -1
}

/** Releases the slots of threads that have ended. True if one of them had a slot. */
export const releaseSlots = (memory: Memory, keys: ReadonlySet<number>): boolean => {
  let released = false
  for (let slot = 0; slot < maxParticipants; slot++) {
    const key = Atomics.load(memory.ints, PARTICIPANTS + slot)
    if (key !== 0 && keys.has(key) && Atomics.compareExchange(memory.ints, PARTICIPANTS + slot, key, 0) === key)
      released = true
  }
  return released
}

/** Whether another thread has used the lock and is not known to have ended. */
export const hasOtherParticipants = (memory: Memory): boolean => {
  for (let slot = 0; slot < maxParticipants; slot++) {
    const key = Atomics.load(memory.ints, PARTICIPANTS + slot)
    if (key !== 0 && key !== ownKey) return true
  }
  return false
}

/** Whether the state is not sound. */
export const isDamaged = (memory: Memory): boolean => {
  for (;;) {
    const root = Atomics.load(memory.root, 0)
    const current = Number(root & 0xffffn)
    const isDamaged = current >= copies || !isSound(copyAt(memory.ints, current), memory.total)
    if (Atomics.load(memory.root, 0) === root) return isDamaged
  }
}

/**
 * As `commit`, but does nothing if this thread can't get a slot. The maker always has one. Other threads may leave a
 * death to the maker.
 */
export const commitIfRoom = (memory: Memory, step: (state: Int32Array, woken: Array<number>) => void): void => {
  const slot = findSlot(memory)
  if (slot >= 0) commitIn(memory, slot, step)
}

/** Makes one transition. `step` may run more than once, and must depend only on the state. */
export const commit = <A>(memory: Memory, name: string, step: (state: Int32Array, woken: Array<number>) => A): A =>
  commitIn(memory, claimSlot(memory, name), step)

const commitIn = <A>(memory: Memory, slot: number, step: (state: Int32Array, woken: Array<number>) => A): A => {
  const woken: Array<number> = []
  for (;;) {
    const root = Atomics.load(memory.root, 0)
    const current = Number(root & 0xffffn)
    const next = current === 2 * slot ? 2 * slot + 1 : 2 * slot
    const from = copyAt(memory.ints, current)
    const to = copyAt(memory.ints, next)
    to.set(from.subarray(0, usedSize(from)))
    woken.length = 0
    // If another transition was made meanwhile, this one is discarded.
    if (current >= copies || !isSound(to, memory.total)) ruin(to, memory.total, woken)
    const result = step(to, woken)
    const grown = (((root >> 16n) + 1n) << 16n) | BigInt(next)
    if (Atomics.compareExchange(memory.root, 0, root, grown) !== root) continue
    for (const word of woken) wake(memory, word)
    return result
  }
}

/** Reads the state without changing it. */
export const peek = <A>(memory: Memory, look: (state: Int32Array) => A): A => {
  for (;;) {
    const root = Atomics.load(memory.root, 0)
    const current = Number(root & 0xffffn)
    const copy = copyAt(memory.ints, current)
    const result = look(current < copies && isSound(copy, memory.total) ? copy : ruined(memory.total))
    if (Atomics.load(memory.root, 0) === root) return result
  }
}

const ruined = (total: number): Int32Array => {
  const state = new Int32Array(stateSize)
  ruin(state, total, [])
  return state
}

/** Any number gives a word of the memory. There is a power of two of them. */
const wakeAt = (word: number): number => WAKES + (word & (maxRequests - 1))

/** Wakes the waiters of a word. A waiter that was woken in vain waits again. */
export const wake = (memory: Memory, word: number): void => {
  Atomics.add(memory.ints, wakeAt(word), 1)
  Atomics.notify(memory.ints, wakeAt(word))
}

export const wakeAll = (memory: Memory): void => {
  for (let word = 0; word < maxRequests; word++) wake(memory, word)
}

export const readWake = (memory: Memory, word: number): number => Atomics.load(memory.ints, wakeAt(word))

/** Stops the thread until the word differs from the value that was read. */
export const wait = (memory: Memory, word: number, read: number, millis: number): void => {
  Atomics.wait(memory.ints, wakeAt(word), read, millis)
}

/**
 * Waits for the same without stopping the thread; undefined if the word already differs. The promise does not keep the
 * event loop alive.
 */
export const waitAsync = (memory: Memory, word: number, read: number): Promise<unknown> | undefined => {
  const result = Atomics.waitAsync(memory.ints, wakeAt(word), read)
  return result.async ? result.value : undefined
}
