/**
 * The locks that this thread knows, so that a death can be told to all of them, and what its synchronous code has asked
 * of them, so that what was ended by force leaves nothing locked.
 *
 * Each message that a lock comes in brings a buffer of its own, all of the same memory. What is kept of a lock here
 * stands on one more of them, so that it can be seen when the last one that anybody else has is gone.
 *
 * Invariants:
 * 1. A lock is kept as long as there is a buffer of it here, or a request of this thread; by the thread that made it
 *    also as long as another thread has a slot: that one's death must be told.
 * 2. A lock that is kept no longer has no slot for this thread, so that who made it can let go of it, too.
 * 3. A synchronous request is in `asked` before it is in the lock, and leaves it after it has left the lock. So whatever
 *    was cut short, sweeping what is in `asked` is enough.
 */
import { executionAsyncId } from "node:async_hooks"
import * as Memory from "./memory.ts"
import { hasRequests, reap } from "./state.ts"

interface Entry {
  readonly identity: string
  readonly memory: Memory.Memory
  /** How many buffers of it there are here. */
  buffers: number
}

const entries = new Map<string, Entry>()
const byBuffer = new WeakMap<SharedArrayBuffer, Entry>()
let pruneAt = 64

const collected = new FinalizationRegistry<Entry>((entry) => {
  entry.buffers--
  removeIfUnused(entry)
})

const removeIfUnused = (entry: Entry): void => {
  const { buffers, identity, memory } = entry
  if (buffers > 0 || (Memory.isOwn(memory) && Memory.hasOtherParticipants(memory))) return
  if (Memory.peek(memory, (state) => hasRequests(state, Memory.ownKey))) return
  Memory.releaseSlots(memory, Memory.ownKey)
  entries.delete(identity)
}

/** Who gives a slot back tells nobody, so it is looked now and then. */
const prune = (): void => {
  for (const entry of entries.values()) removeIfUnused(entry)
}

/** The memory of a lock, which is thereby known here. */
export const open = (buffer: SharedArrayBuffer): Memory.Memory => {
  const known = byBuffer.get(buffer)
  if (known !== undefined) return known.memory
  const identity = Memory.identity(buffer)
  const entry = entries.get(identity) ?? add(identity, buffer)
  entry.buffers++
  byBuffer.set(buffer, entry)
  collected.register(buffer, entry)
  return entry.memory
}

const add = (identity: string, buffer: SharedArrayBuffer): Entry => {
  if (entries.size >= pruneAt) {
    prune()
    pruneAt = Math.max(64, 2 * entries.size)
  }
  const entry: Entry = { identity, memory: Memory.view(structuredClone(buffer)), buffers: 0 }
  entries.set(identity, entry)
  return entry
}

/**
 * Tells all locks known here that a thread has ended, by its `threadId`, when it really has: after the worker's `exit`
 * event, which is later than the `threadId` property of the Worker is reset. Once more does nothing.
 */
export const threadDied = (threadId: number): void => {
  const key = Memory.keyOf(threadId)
  for (const { memory } of entries.values()) {
    // First its slot: this thread may need one.
    Memory.releaseSlots(memory, key)
    Memory.commit(memory, "", (state, woken) => reap(state, key, undefined, woken))
    Memory.wakeAll(memory)
  }
  prune()
}

/** A request of synchronous code. */
export interface Asked {
  readonly memory: Memory.Memory
  readonly id: number
  /** In which section. */
  readonly section: Section | undefined
  /** In which step of a fiber. */
  readonly step: Step | undefined
}

/** An operation of a fiber, in a task of its scheduler: of both there is but one at a time. */
export interface Step {
  readonly fiber: object
  readonly operation: number
  readonly task: object | undefined
}

let currentStep: () => Step | undefined = () => undefined

/** From now on it is known in which step a request is made. */
export const tellSteps = (tell: typeof currentStep): void => {
  currentStep = tell
}

const asked = new Set<Asked>()

export const enter = (memory: Memory.Memory): Asked => {
  const entry = { memory, id: Memory.nextId(memory), section: currentSection(), step: currentStep() }
  asked.add(entry)
  return entry
}

export const leave = (entry: Asked): void => {
  asked.delete(entry)
}

/** A synchronous section, which may be ended by force, and of which it is not known for a while then whether it was. */
export interface Section {
  /** False where it may have ended, too. */
  readonly isRunning: () => boolean
  readonly asyncId: number
}

let latest: Section | undefined

/** To be called where one begins, in an async scope of its own. */
export const beginSection = (isRunning: () => boolean): Section => (latest = { isRunning, asyncId: executionAsyncId() })

/** It may have entered other async scopes; where it may have ended, what runs in its own is still its code. */
const currentSection = (): Section | undefined =>
  latest !== undefined && (latest.isRunning() || latest.asyncId === executionAsyncId()) ? latest : undefined

/** To be abandoned where a section was ended by force. What others have asked for since is theirs. */
export const askedInSection = (section: Section): ReadonlyArray<Asked> =>
  Array.from(asked).filter((entry) => entry.section === section)

/** To be abandoned where steps are ended by force. */
export const askedInSteps = (steps: ReadonlyArray<Step>): ReadonlyArray<Asked> =>
  Array.from(asked).filter(({ step }) => step !== undefined && steps.some((other) => isSame(step, other)))

const isSame = (self: Step, that: Step): boolean =>
  self.fiber === that.fiber && self.operation === that.operation && self.task === that.task

/** What was waited for is withdrawn, and what was held goes on to the next one with the news that its owner died. */
export const abandon = (entries: ReadonlyArray<Asked>): void => {
  for (const entry of entries) {
    if (!asked.has(entry)) continue
    Memory.commit(entry.memory, "", (state, woken) => reap(state, Memory.ownKey, entry.id, woken))
    Memory.wakeAll(entry.memory)
    asked.delete(entry)
  }
}
