/**
 * The locks of this thread, which are informed of each death, and the requests of its synchronous code. An end by force
 * therefore leaves nothing locked.
 *
 * Each message with a lock brings a new buffer of the same memory. The registry keeps one more buffer of its own, and
 * so notices when the last other buffer in this thread has been collected.
 *
 * Invariants:
 * 1. A lock is kept while this thread has a buffer of the lock or a request. The maker also keeps the lock while
 *    another thread has a slot, because the maker reports that thread's death.
 * 2. A dropped lock has no slot for this thread, so that the lock's maker can drop it too.
 * 3. A synchronous request joins `asked` before it joins the lock, and leaves `asked` after it has left the lock. After
 *    an end by force, sweeping `asked` is therefore enough.
 * 4. An entry has one memory, that of the buffer with which it was made. The names in two memories may be equal, because
 *    a thread can write any name into a buffer that it sends. Only buffers of the same memory share an entry.
 */
import { executionAsyncId } from "node:async_hooks"
import * as ThreadAdapter from "@quiesce/core/adapter"
import type { LeaseResult } from "@quiesce/core/adapter"
import * as Fiber from "effect/Fiber"
import * as PlainHooks from "../wire/plainHooks.ts"
import * as Memory from "./memory.ts"
import * as State from "./state.ts"

interface Entry {
  readonly name: string
  readonly memory: Memory.Memory
  /** How many buffers of the lock this thread has. */
  buffers: number
}

/** The entries by the names in their memories. */
const entries = new Map<string, ReadonlyArray<Entry>>()
const byBuffer = new WeakMap<SharedArrayBuffer, Entry>()
let count = 0
let pruneAt = 64

const collected = new FinalizationRegistry<Entry>((entry) => {
  entry.buffers--
  removeIfUnused(entry)
})

const ownKeys: ReadonlySet<number> = new Set([Memory.ownKey])

const removeIfUnused = (entry: Entry): void => {
  const { buffers, memory, name } = entry
  if (buffers > 0 || (memory.isOwn && Memory.hasOtherParticipants(memory))) return
  if (Memory.peek(memory, (state) => State.hasRequests(state, ownKeys))) return
  Memory.releaseSlots(memory, ownKeys)
  const others = entries.get(name)?.filter((other) => other !== entry) ?? []
  if (others.length === 0) entries.delete(name)
  else entries.set(name, others)
  count--
}

/** A thread that releases its slot does not inform the maker, so the maker looks now and then. */
const prune = (): void => {
  for (const entry of all()) removeIfUnused(entry)
}

const all = (): ReadonlyArray<Entry> => Array.from(entries.values()).flat()

/** Makes the memory of a lock. This thread is its maker. */
export const make = (total: number): SharedArrayBuffer => {
  const buffer = Memory.make(total)
  enterBuffer(buffer, add(buffer, true))
  return buffer
}

/** The memory of a lock. The lock is known here from now on. */
export const open = (buffer: SharedArrayBuffer): Memory.Memory => {
  const known = byBuffer.get(buffer)
  if (known !== undefined) return known.memory
  const entry = entries.get(Memory.nameOf(buffer))?.find(({ memory }) => Memory.isSame(memory, buffer))
  return enterBuffer(buffer, entry ?? add(buffer, false))
}

const enterBuffer = (buffer: SharedArrayBuffer, entry: Entry): Memory.Memory => {
  entry.buffers++
  byBuffer.set(buffer, entry)
  collected.register(buffer, entry)
  return entry.memory
}

const add = (buffer: SharedArrayBuffer, isOwn: boolean): Entry => {
  if (count >= pruneAt) {
    prune()
    pruneAt = Math.max(64, 2 * count)
  }
  const name = Memory.nameOf(buffer)
  const entry: Entry = { name, memory: Memory.view(structuredClone(buffer), isOwn), buffers: 0 }
  entries.set(name, [...(entries.get(name) ?? []), entry])
  count++
  return entry
}

/**
 * Informs all locks known here that a thread has ended. Call this after the worker's `exit` event, with the `threadId`
 * from before its end. A second call does nothing.
 */
export const threadDied = (threadId: number): void => threadsDied([threadId])

/** The same for many threads, with one transition of each lock. */
export const threadsDied = (threadIds: Iterable<number>): void => {
  const keys = new Set(Array.from(threadIds, Memory.keyOf))
  for (const { memory } of all()) reap(memory, keys)
  prune()
}

const reap = (memory: Memory.Memory, keys: ReadonlySet<number>): void => {
  // The slots are released first, because this thread may need one.
  const hadSlot = Memory.releaseSlots(memory, keys)
  if (hadSlot || Memory.isDamaged(memory) || Memory.peek(memory, (state) => State.hasRequests(state, keys))) {
    Memory.commitIfRoom(memory, (state, woken) => State.reapAll(state, keys, woken))
    Memory.wakeAll(memory)
  } else {
    for (const word of Memory.peek(memory, State.wakesOf)) Memory.wake(memory, word)
  }
}

/** A request of synchronous code. */
export interface Asked {
  readonly memory: Memory.Memory
  readonly id: number
  /** The section that made the request. */
  readonly section: Section | undefined
  /** The step of a fiber that made the request. */
  readonly step: Step | undefined
  /** Ends the lease of the granted request. */
  endLease: ((result: LeaseResult) => void) | undefined
}

/** An operation of a fiber, in a task of its scheduler. Of both, only one runs at a time. */
export interface Step {
  readonly fiber: object
  readonly operation: number
  readonly task: object | undefined
}

let currentStep: () => Step | undefined = () => undefined

/** Sets the function that gives the current step. */
export const setStepSource = (source: typeof currentStep): void => {
  currentStep = source
}

const asked = new Set<Asked>()

export const enter = (memory: Memory.Memory): Asked => {
  const entry: Asked = {
    memory,
    id: Memory.nextId(memory),
    section: currentSection(),
    step: currentStep(),
    endLease: undefined
  }
  asked.add(entry)
  return entry
}

/** The lock is held from now on: a lease of the requesting thread. */
export const held = (entry: Asked, name: string): void => {
  const fiber = Fiber.getCurrent() ?? entry.section?.fiber
  if (fiber !== undefined) entry.endLease = ThreadAdapter.enterLease(fiber, name)
}

export const leave = (entry: Asked): void => {
  asked.delete(entry)
  entry.endLease?.("released")
}

/** A synchronous section, which may be ended by force. For a moment it is unknown whether the section has ended. */
export interface Section {
  /** False if the section has ended, or may have. */
  readonly isRunning: () => boolean
  readonly asyncId: number
  /** The fiber that waits for the section. */
  readonly fiber: AnyFiber | undefined
}

type AnyFiber = Fiber.Fiber<unknown, unknown>

let latest: Section | undefined

/** Call it where a section begins, in an async scope of its own. */
export const beginSection = (isRunning: () => boolean, fiber?: AnyFiber): Section =>
  (latest = { isRunning, asyncId: executionAsyncId(), fiber })

// A section on a fiber is ended at its deadline. A section of a worker has the worker's own runner.
ThreadAdapter.observeSections((fiber) => {
  let isRunning = true
  const section = beginSection(() => isRunning, fiber)
  return (wasEnded) => {
    isRunning = false
    if (wasEnded) abandon(askedInSection(section))
  }
})

// In a worker of plain functions, each function is a section of that worker's own.
const hooks = PlainHooks.current()
if (hooks !== undefined) {
  hooks.locks = {
    begin: (isRunning) => {
      const section = beginSection(isRunning)
      return () => abandon(askedInSection(section))
    }
  }
}

/**
 * A running section may have entered other async scopes. In a section that may have ended, only code in its own async
 * scope counts as its code.
 */
const currentSection = (): Section | undefined =>
  latest !== undefined && (latest.isRunning() || latest.asyncId === executionAsyncId()) ? latest : undefined

/** The requests to abandon when a section was ended by force. Later requests of other code are not among them. */
export const askedInSection = (section: Section): ReadonlyArray<Asked> =>
  Array.from(asked).filter((entry) => entry.section === section)

/** The requests to abandon when steps are ended by force. */
export const askedInSteps = (steps: ReadonlyArray<Step>): ReadonlyArray<Asked> =>
  Array.from(asked).filter(({ step }) => step !== undefined && steps.some((other) => isSame(step, other)))

const isSame = (self: Step, that: Step): boolean =>
  self.fiber === that.fiber && self.operation === that.operation && self.task === that.task

/** Withdraws waiting requests. A held lock goes to the next owner with the report of a death. */
export const abandon = (entries: ReadonlyArray<Asked>): void => {
  for (const entry of entries) {
    if (!asked.has(entry)) continue
    Memory.commit(entry.memory, "", (state, woken) => State.reap(state, Memory.ownKey, entry.id, woken))
    Memory.wakeAll(entry.memory)
    asked.delete(entry)
    entry.endLease?.("lost")
  }
}
