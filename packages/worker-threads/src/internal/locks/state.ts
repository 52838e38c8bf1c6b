/**
 * The state of a shared lock, and each of its transitions, as plain functions on one array of integers. A mutex is a
 * semaphore of one permit. Nothing here waits, allocates shared memory or knows of threads; `sharedMemory.ts` makes
 * each transition atomic.
 *
 * The array is a header (`free`, `notice`, `dead`, `count`) and `count` requests, the oldest first.
 *
 * Invariants, between any two transitions:
 * 1. `free` and the permits of all requests that hold sum up to the lock's permits; `free` is never negative.
 * 2. Requests stand in the order in which they came, and the first that waits does not fit into `free`: so no request
 *    overtakes an older one, and none waits without need.
 * 3. `id` and `wake` differ between requests.
 * 4. News of a death is told once: it is either in `notice`, or with the one request in phase `heldAfterDeath`.
 * 5. In a lock whose `notice` is `unusable` nobody waits, and nobody will hold it any more.
 */

/** How many requests, held and waiting, a lock has room for. */
export const maxRequests = 128

const FREE = 0
const NOTICE = 1
const DEAD = 2
const COUNT = 3
const HEADER = 4

const KEY = 0
const ID = 1
const PERMITS = 2
const PHASE = 3
const WAKE = 4
const REQUEST = 5

/** How many integers a state takes. */
export const stateSize: number = HEADER + maxRequests * REQUEST

/** What a lock has to say to the next one that gets it. */
const Notice = { none: 0, ownerDied: 1, unusable: 2 } as const

/** Where a request stands; `heldAfterDeath` holds, and was told that an owner died. */
export const Phase = { gone: -1, waiting: 0, held: 1, heldAfterDeath: 2 } as const
export type Phase = (typeof Phase)[keyof typeof Phase]

/** What is asked for. With `orElse: "leave"` a request that would have to wait leaves no trace. */
export interface Request {
  readonly key: number
  readonly id: number
  readonly permits: number
  readonly total: number
  readonly orElse: "wait" | "block" | "leave"
}

export type Answer = "entered" | "unusable" | "full" | "forever" | "busy"

/** A copy that was read while it changed may hold anything: it must not lead outside of the array. */
const countOf = (state: Int32Array): number => Math.min(Math.max(state[COUNT]!, 0), maxRequests)

const at = (index: number): number => HEADER + index * REQUEST

const find = (state: Int32Array, id: number): number => {
  const count = countOf(state)
  for (let i = 0; i < count; i++) if (state[at(i) + ID] === id) return at(i)
  return -1
}

/** Whether a thread holds anything, or waits. */
export const hasRequests = (state: Int32Array, key: number): boolean => {
  const count = countOf(state)
  for (let i = 0; i < count; i++) if (state[at(i) + KEY] === key) return true
  return false
}

/** How many integers of a state are in use. */
export const usedSize = (state: Int32Array): number => at(countOf(state))

export const initial = (state: Int32Array, permits: number): void => {
  state[FREE] = permits
}

export const phaseOf = (state: Int32Array, id: number): Phase => {
  const found = find(state, id)
  // Only this module writes phases.
  return found < 0 ? Phase.gone : (state[found + PHASE] as Phase)
}

export const wakeOf = (state: Int32Array, id: number): number => {
  const found = find(state, id)
  return found < 0 ? 0 : state[found + WAKE]!
}

export const isUnusable = (state: Int32Array): boolean => state[NOTICE] === Notice.unusable

/** The thread key of the owner that died last; 0 for none. */
export const lastDead = (state: Int32Array): number => state[DEAD]!

/** How many requests hold and wait, and how many permits are free. */
export const tally = (
  state: Int32Array
): { readonly free: number; readonly held: number; readonly waiting: number } => {
  const count = countOf(state)
  let waiting = 0
  for (let i = 0; i < count; i++) if (state[at(i) + PHASE] === Phase.waiting) waiting++
  return { free: state[FREE]!, held: count - waiting, waiting }
}

/**
 * Enters a request. `block` is a wait that stops the whole thread: it is refused where even the release of everything
 * that other threads hold would not do, as what this thread holds, or is about to get, can't be released meanwhile.
 */
export const request = (state: Int32Array, asked: Request, woken: Array<number>): Answer => {
  if (isUnusable(state)) return "unusable"
  const count = countOf(state)
  let own = 0
  let waiting = false
  for (let i = 0; i < count; i++) {
    if (state[at(i) + KEY] === asked.key) own += state[at(i) + PERMITS]!
    if (state[at(i) + PHASE] === Phase.waiting) waiting = true
  }
  if (asked.orElse === "block" && own + asked.permits > asked.total) return "forever"
  if (asked.orElse === "leave" && (waiting || state[FREE]! < asked.permits)) return "busy"
  if (count === maxRequests) return "full"
  const entry = at(count)
  state[entry + KEY] = asked.key
  state[entry + ID] = asked.id
  state[entry + PERMITS] = asked.permits
  state[entry + PHASE] = Phase.waiting
  state[entry + WAKE] = unusedWake(state, count)
  state[COUNT] = count + 1
  settle(state, woken)
  return "entered"
}

const unusedWake = (state: Int32Array, count: number): number => {
  const used = new Uint8Array(maxRequests)
  for (let i = 0; i < count; i++) used[state[at(i) + WAKE]!] = 1
  return used.indexOf(0)
}

/** Grants what can be granted, in order; restores invariant 2. */
const settle = (state: Int32Array, woken: Array<number>): void => {
  const count = countOf(state)
  for (let i = 0; i < count; i++) {
    const entry = at(i)
    if (state[entry + PHASE] !== Phase.waiting) continue
    if (state[entry + PERMITS]! > state[FREE]!) return
    state[FREE]! -= state[entry + PERMITS]!
    state[entry + PHASE] = state[NOTICE] === Notice.ownerDied ? Phase.heldAfterDeath : Phase.held
    state[NOTICE] = Notice.none
    woken.push(state[entry + WAKE]!)
  }
}

const remove = (state: Int32Array, entry: number): void => {
  if (state[entry + PHASE] !== Phase.waiting) state[FREE]! += state[entry + PERMITS]!
  state.copyWithin(entry, entry + REQUEST, usedSize(state))
  state[COUNT] = countOf(state) - 1
}

/** Takes back a request whose asker has not been answered: what it was told is told to the next one instead. */
export const withdraw = (state: Int32Array, id: number, woken: Array<number>): void => {
  const entry = find(state, id)
  if (entry < 0) return
  if (state[entry + PHASE] === Phase.heldAfterDeath) state[NOTICE] = Notice.ownerDied
  remove(state, entry)
  settle(state, woken)
}

/** Ends a hold. With `strict`, one that was told of a death and did not declare things consistent breaks the lock. */
export const release = (state: Int32Array, id: number, strict: boolean, woken: Array<number>): void => {
  const entry = find(state, id)
  if (entry < 0) return
  if (strict && state[entry + PHASE] === Phase.heldAfterDeath) breakLock(state, woken)
  else {
    remove(state, entry)
    settle(state, woken)
  }
}

const breakLock = (state: Int32Array, woken: Array<number>): void => {
  for (let i = countOf(state) - 1; i >= 0; i--) {
    woken.push(state[at(i) + WAKE]!)
    remove(state, at(i))
  }
  state[NOTICE] = Notice.unusable
}

export const markConsistent = (state: Int32Array, id: number): void => {
  const entry = find(state, id)
  if (entry >= 0 && state[entry + PHASE] === Phase.heldAfterDeath) state[entry + PHASE] = Phase.held
}

/** Ends all requests of a thread that has died or, with `id`, one that its thread has lost sight of. */
export const reap = (state: Int32Array, key: number, id: number | undefined, woken: Array<number>): void => {
  for (let i = countOf(state) - 1; i >= 0; i--) {
    const entry = at(i)
    if (state[entry + KEY] !== key || (id !== undefined && state[entry + ID] !== id)) continue
    if (state[entry + PHASE] !== Phase.waiting) {
      state[NOTICE] = Notice.ownerDied
      state[DEAD] = key
    }
    remove(state, entry)
  }
  settle(state, woken)
}
