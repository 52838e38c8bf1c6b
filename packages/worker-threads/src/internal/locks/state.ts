/**
 * The state of a shared lock, and each of its transitions, as plain functions on one array of integers. A mutex is a
 * semaphore of one permit. Nothing here waits, allocates shared memory or knows of threads; `memory.ts` makes each
 * transition atomic.
 *
 * The array is a header (`free`, `notice`, `dead`, `count`) and `count` requests, the oldest first.
 *
 * Invariants, between any two transitions:
 * 1. `free` and the held permits add up to the lock's permits. `free` is never negative.
 * 2. Requests stand in the order of their arrival, and the first waiting request does not fit into `free`. No request
 *    therefore overtakes an older one, and none waits without need.
 * 3. `id` and `wake` differ between requests.
 * 4. A death is reported once: the report is either in `notice`, or with the one request in phase `heldAfterDeath`.
 * 5. In a lock whose `notice` is `unusable` no request waits, and none will hold the lock any more.
 */

/** How many requests, holding and waiting, a lock has room for. */
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

/** The report for the next owner of the lock. */
const Notice = { none: 0, ownerDied: 1, unusable: 2 } as const

/** The phase of a request. In `heldAfterDeath`, the request holds the lock and has the report that an owner died. */
export const Phase = { gone: -1, waiting: 0, held: 1, heldAfterDeath: 2 } as const
export type Phase = (typeof Phase)[keyof typeof Phase]

/** A request. With `orElse: "leave"`, a request leaves no trace instead of waiting. */
export interface Request {
  readonly key: number
  readonly id: number
  readonly permits: number
  readonly total: number
  readonly orElse: "wait" | "block" | "leave"
}

export type Answer = "entered" | "unusable" | "full" | "forever" | "busy"

/** A copy may change during a read, and then holds any number. The count must not lead outside the array. */
const countOf = (state: Int32Array): number => Math.min(Math.max(state[COUNT] ?? 0, 0), maxRequests)

const at = (index: number): number => HEADER + index * REQUEST

const find = (state: Int32Array, id: number): number => {
  const count = countOf(state)
  for (let i = 0; i < count; i++) if (state[at(i) + ID] === id) return at(i)
  return -1
}

/** Whether any of the threads has a request. */
export const hasRequests = (state: Int32Array, keys: ReadonlySet<number>): boolean => {
  const count = countOf(state)
  for (let i = 0; i < count; i++) if (keys.has(state[at(i) + KEY]!)) return true
  return false
}

/** The wake words of all requests. */
export const wakesOf = (state: Int32Array): ReadonlyArray<number> =>
  Array.from({ length: countOf(state) }, (_, index) => state[at(index) + WAKE]!)

/** How many integers of a state are in use. */
export const usedSize = (state: Int32Array): number => at(countOf(state))

export const initial = (state: Int32Array, permits: number): void => {
  state[FREE] = permits
}

/**
 * Whether a state of a lock with `total` permits can have come from the transitions here. Any thread that has the lock
 * can write over its memory.
 */
export const isSound = (state: Int32Array, total: number): boolean => {
  const count = state[COUNT]!
  const notice = state[NOTICE]!
  if (!(count >= 0 && count <= maxRequests && notice >= Notice.none && notice <= Notice.unusable)) return false
  let permits = state[FREE]!
  if (permits < 0) return false
  for (let i = 0; i < count; i++) {
    const entry = at(i)
    const [wanted, phase, wake] = [state[entry + PERMITS]!, state[entry + PHASE]!, state[entry + WAKE]!]
    const isKnown = phase >= Phase.waiting && phase <= Phase.heldAfterDeath && wake >= 0 && wake < maxRequests
    if (!isKnown || wanted < 1 || wanted > total) return false
    if (phase !== Phase.waiting) permits += wanted
  }
  return permits === total
}

/** Makes a lock with an unsound state unusable. Each waiter is woken, because the requests are not known any more. */
export const ruin = (state: Int32Array, total: number, woken: Array<number>): void => {
  state[FREE] = total
  state[NOTICE] = Notice.unusable
  state[DEAD] = 0
  state[COUNT] = 0
  for (let word = 0; word < maxRequests; word++) woken.push(word)
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

/** The thread key of the owner that died last; 0 if none has died. */
export const lastDead = (state: Int32Array): number => state[DEAD]!

/** The number of free permits, of holding requests and of waiting requests. */
export const tally = (
  state: Int32Array
): { readonly free: number; readonly held: number; readonly waiting: number } => {
  const count = countOf(state)
  let waiting = 0
  for (let i = 0; i < count; i++) if (state[at(i) + PHASE] === Phase.waiting) waiting++
  return { free: state[FREE]!, held: count - waiting, waiting }
}

/**
 * Enters a request. With `block`, the whole thread would stop. Such a request is refused if even the release of all
 * permits of other threads would not be enough, because a stopped thread can't release its own permits.
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

/** Grants waiting requests in order, and so restores invariant 2. */
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

/** Withdraws a request whose caller has not been answered. The report of a death goes to the next owner. */
export const withdraw = (state: Int32Array, id: number, woken: Array<number>): void => {
  const entry = find(state, id)
  if (entry < 0) return
  if (state[entry + PHASE] === Phase.heldAfterDeath) state[NOTICE] = Notice.ownerDied
  remove(state, entry)
  settle(state, woken)
}

/**
 * Ends a hold. With `strict`, the lock becomes unusable if the hold has the report of a death and did not declare the
 * data consistent.
 */
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

/** Ends all requests of threads that have died. */
export const reapAll = (state: Int32Array, keys: ReadonlySet<number>, woken: Array<number>): void =>
  reapWhere(state, (entry) => keys.has(state[entry + KEY]!), woken)

/** Ends all requests of a thread that has died, or with `id` one request whose code was ended by force. */
export const reap = (state: Int32Array, key: number, id: number | undefined, woken: Array<number>): void =>
  reapWhere(state, (entry) => state[entry + KEY] === key && (id === undefined || state[entry + ID] === id), woken)

const reapWhere = (state: Int32Array, isOver: (entry: number) => boolean, woken: Array<number>): void => {
  for (let i = countOf(state) - 1; i >= 0; i--) {
    const entry = at(i)
    if (!isOver(entry)) continue
    if (state[entry + PHASE] !== Phase.waiting) {
      state[NOTICE] = Notice.ownerDied
      state[DEAD] = state[entry + KEY]!
    }
    remove(state, entry)
  }
  settle(state, woken)
}
