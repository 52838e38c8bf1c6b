/**
 * The locks that this thread knows, so that a death can be told to all of them, and what its synchronous code has asked
 * of them, so that a section that was ended by force leaves nothing locked.
 *
 * Invariants:
 * 1. A lock that was made here is kept while its handle is alive or another thread uses it: its death must be told even
 *    if the maker has dropped the lock. All others are kept weakly.
 * 2. A synchronous request is in `asked` before it is in the lock, and leaves it after it has left the lock. So whatever
 *    was cut short, sweeping what is in `asked` is enough.
 */
import * as Memory from "./sharedMemory.ts"
import { reap } from "./sharedState.ts"

interface Entry {
  readonly memory: WeakRef<Memory.Memory>
  /** Set while it must not be collected. */
  kept: { readonly memory: Memory.Memory; readonly handle: WeakRef<object> } | undefined
}

const entries = new Set<Entry>()
let pruneAt = 64

const add = (entry: Entry): void => {
  if (entries.size >= pruneAt) {
    prune()
    pruneAt = Math.max(64, 2 * entries.size)
  }
  entries.add(entry)
}

const prune = (): void => {
  for (const entry of entries) {
    if (entry.kept?.handle.deref() === undefined && entry.kept !== undefined && !Memory.hasOthers(entry.kept.memory)) {
      entry.kept = undefined
    }
    if (entry.memory.deref() === undefined) entries.delete(entry)
  }
}

/** The memory of a lock, which is thereby known here. */
export const open = (buffer: SharedArrayBuffer): Memory.Memory =>
  Memory.open(buffer, (memory) => add({ memory: new WeakRef(memory), kept: undefined }))

/** Makes what `handle` gives access to known here. */
export const made = (buffer: SharedArrayBuffer, handle: object): void => {
  Memory.open(buffer, (memory) => add({ memory: new WeakRef(memory), kept: { memory, handle: new WeakRef(handle) } }))
}

/**
 * Tells all locks known here that a thread has ended, by its `threadId`, when it really has: after the worker's `exit`
 * event, which is later than the `threadId` property of the Worker is reset. Once more does nothing.
 */
export const threadDied = (threadId: number): void => {
  const key = Memory.keyOf(threadId)
  for (const entry of entries) {
    const memory = entry.memory.deref()
    if (memory === undefined) continue
    // First its seat: this thread may need one.
    Memory.vacate(memory, key)
    Memory.commit(memory, "", (state, woken) => reap(state, key, undefined, woken))
    Memory.wakeAll(memory)
  }
  prune()
}

/** A request of synchronous code; `order` grows. */
export interface Asked {
  readonly memory: Memory.Memory
  readonly id: number
  readonly order: number
}

const asked = new Set<Asked>()
let order = 0

export const enter = (memory: Memory.Memory): Asked => {
  const entry = { memory, id: Memory.nextId(memory), order: order++ }
  asked.add(entry)
  return entry
}

export const leave = (entry: Asked): void => {
  asked.delete(entry)
}

/** A point in the life of this thread, for `abandonSince`. */
export const mark = (): number => order

/**
 * To be called where a synchronous section was ended by force, with the mark taken before it: what the section waited
 * for is withdrawn, and what it held goes on to the next one with the news that its owner died.
 */
export const abandonSince = (mark: number): void => {
  for (const entry of asked) {
    if (entry.order < mark) continue
    Memory.commit(entry.memory, "", (state, woken) => reap(state, Memory.ownKey, entry.id, woken))
    Memory.wakeAll(entry.memory)
    asked.delete(entry)
  }
}
