/**
 * The engine's fast path of `JSON.stringify`, which is turned off while this process waits for a worker to be interrupted.
 *
 * The engine looks at interrupts at calls and, from time to time, in loops. A warm loop over `JSON.stringify` may not look
 * for minutes, because the fast path of Node 25 and later never looks. The slow path looks. The flag applies to the whole
 * process, and the engine reads the flag at each call, so turning the fast path off also reaches a loop that has begun.
 *
 * Invariants:
 * 1. The fast path is off while a living thread of the process uses that. The threads count their uses in one table.
 * 2. The fast path is on when there is no use left, unless the process was started without the fast path.
 * 3. The uses of a dead thread do not count.
 *
 * No lock guards the flag, because a terminated thread would never unlock. A thread that turns the fast path on looks for
 * new uses afterwards, so that the fast path stays on for a moment at most.
 */
import { setFlagsFromString } from "node:v8"
import { getEnvironmentData, isMainThread, setEnvironmentData, threadId } from "node:worker_threads"

const [major = 0] = (process.versions.node ?? "0").split(".").map(Number)

/** Node hands environment data down to all workers that a thread starts. */
const key = "~@quiesce/worker-threads/stringifyFastPath"

/**
 * The uses of each thread, in the word that belongs to the thread. The main thread shares its word with no other thread. One
 * more word has the number of words up to the last one that was ever used. It bounds each search, because a search through
 * all words would take as long as the end of a section.
 */
const threadWords = 1024
const searchedWord = threadWords

const wordOf = (thread: number): number => (thread === 0 ? 0 : 1 + (thread % (threadWords - 1)))

type Uses = Int32Array<SharedArrayBuffer>

/** If an option is given twice, the last one counts. V8 accepts dashes and underscores, and `no` with or without one. */
const optionPattern = /^--(no[-_]?)?json[-_]stringify[-_]fast[-_]path$/

/** Whether a process with these options has a fast path that is on by default and can be turned off. */
export const isSwitchable = (nodeMajor: number, options: ReadonlyArray<string>): boolean => {
  const last = options.findLast((option) => optionPattern.test(option))
  return nodeMajor >= 25 && (last === undefined || !last.startsWith("--no"))
}

interface Shared {
  /** Undefined if there is nothing to switch. A worker may lack the options of its process, so the main thread decides. */
  readonly uses: Uses | undefined
}

const findShared = (): Shared => {
  // The shape is from the thread that has put the data there.
  const given = getEnvironmentData(key) as unknown as Shared | undefined
  if (given !== undefined) return given
  const isNeeded = isSwitchable(major, process.execArgv)
  const shared = { uses: isNeeded ? new Int32Array(new SharedArrayBuffer(4 * (threadWords + 1))) : undefined }
  setEnvironmentData(key, shared)
  return shared
}

const { uses } = findShared()

const own = isMainThread ? 0 : wordOf(threadId)

const isUsed = (table: Uses): boolean => {
  const end = Atomics.load(table, searchedWord)
  for (let index = 0; index < end; index++) if (Atomics.load(table, index) > 0) return true
  return false
}

/** Must be called before the first use of this thread is counted. */
const searchUpTo = (table: Uses, index: number): void => {
  let end = Atomics.load(table, searchedWord)
  while (end <= index) end = Atomics.compareExchange(table, searchedWord, end, index + 1)
}

const set = (isOn: boolean): void => setFlagsFromString(`--${isOn ? "" : "no-"}json-stringify-fast-path`)

const turnOnIfUnused = (table: Uses): void => {
  if (isUsed(table)) return
  set(true)
  if (isUsed(table)) set(false)
}

/** Turns the fast path off until the result is called. Each caller's use counts. */
export const turnOff = (): (() => void) => {
  if (uses === undefined) return () => {}
  searchUpTo(uses, own)
  Atomics.add(uses, own, 1)
  set(false)
  let isOver = false
  return () => {
    if (isOver) return
    isOver = true
    Atomics.sub(uses, own, 1)
    turnOnIfUnused(uses)
  }
}

/** Drops the uses of a thread that has died. */
export const threadDied = (thread: number): void => {
  if (uses !== undefined && Atomics.exchange(uses, wordOf(thread), 0) > 0) turnOnIfUnused(uses)
}
