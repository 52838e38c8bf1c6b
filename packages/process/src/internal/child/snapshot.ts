/**
 * Looks at all processes of the machine, for all trees of this process at once.
 *
 * Invariants:
 * 1. A look begins after its request, and shows every process of the time of the request.
 * 2. At most one look is under way. Requests during a look share the next look.
 * 3. A request is answered also if its look fails.
 */
import * as Mark from "./mark.ts"
import * as Table from "./processTable.ts"

export interface Seen {
  readonly process: Table.Process
  /** Empty for a process that is about to run its program. Such a process is found by its parent, group or session. */
  readonly environment: string
  readonly isStarting: boolean
}

export interface Snapshot {
  readonly seen: ReadonlyArray<Seen>
  /**
   * Whether no process can have been missed. A process that has ended during the look may have started another process,
   * and a process that starts its program has no environment for a moment.
   */
  readonly isSure: boolean
  /** Whether nothing could be seen. The next look may succeed. */
  readonly hasFailed: boolean
}

/** No process that is older than this process descends from this process. */
const oldest = Table.find(process.pid)?.started ?? 0

/**
 * The numbers of processes that can't start a marked process, from the last look: a process without a mark that is not
 * below a marked process, or a dead process.
 */
let harmless: ReadonlySet<number> = new Set()

const look = async (): Promise<Snapshot> => {
  const before = Table.latest()
  const numbers = (await Table.numbers()).filter((pid) => pid !== process.pid)
  const read = await Promise.all(numbers.map(readOne))
  const seen = read.flatMap(({ result }) => (typeof result === "object" ? [result] : []))
  const after = Table.latest()
  const vanished = read.filter(({ pid, result }) => (result === "Missed" || result === "Dead") && !harmless.has(pid))
  // After a wrap, a new process may have a number that the look had passed.
  const isMissed = before !== after && (vanished.length > 0 || after < before)
  harmless = harmlessOf(read, seen)
  return { seen, isSure: !isMissed && !seen.some(({ isStarting }) => isStarting), hasFailed: false }
}

interface Read {
  readonly pid: number
  readonly result: Seen | "Missed" | "Dead" | "Older"
}

const harmlessOf = (read: ReadonlyArray<Read>, seen: ReadonlyArray<Seen>): ReadonlySet<number> => {
  const marked = seen.filter(({ environment }) => Mark.isIn(environment, Mark.ofHost))
  const below = closure(
    seen.map(({ process }) => process),
    new Set(marked.map(({ process }) => process))
  )
  const ours = new Set(below.map(({ pid }) => pid))
  const starting = new Set(seen.filter(({ isStarting }) => isStarting).map(({ process }) => process.pid))
  const others = read.filter(({ pid, result }) => result !== "Missed" && !starting.has(pid) && !ours.has(pid))
  return new Set(others.map(({ pid }) => pid))
}

const readOne = async (pid: number): Promise<Read> => {
  const found = await Table.read(pid)
  if (found === undefined) return { pid, result: "Missed" }
  if (Table.isDead(found)) return { pid, result: "Dead" }
  if (found.started < oldest || found.parent === kernelThreads) return { pid, result: "Older" }
  const first = await Table.environment(found)
  if (first === "" && (await Table.isStarting(found)))
    return { pid, result: { process: found, environment: "", isStarting: true } }
  // The process may have run its program between the two looks, and has its environment now.
  const environment = first === "" ? await Table.environment(found) : first
  if (environment !== undefined) return { pid, result: { process: found, environment, isStarting: false } }
  // The environment of another user's process may not be read.
  return {
    pid,
    result: Table.isSame(found) ? { process: found, environment: unreadable, isStarting: false } : "Missed"
  }
}

/** The parent of the threads of the kernel, which have no environment. */
const kernelThreads = 2

/** In place of an environment that may not be read. */
const unreadable = "?"

/** Adds the processes with a parent, a group leader or a session leader in the tree. */
export const closure = (
  all: ReadonlyArray<Table.Process>,
  marked: ReadonlySet<Table.Process>
): ReadonlyArray<Table.Process> => {
  const tree = new Set(marked)
  for (let size = -1; size !== tree.size;) {
    size = tree.size
    const pids = new Set(Array.from(tree, ({ pid }) => pid))
    for (const process of all)
      if (pids.has(process.parent) || pids.has(process.group) || pids.has(process.session)) tree.add(process)
  }
  return [...tree]
}

let current: Promise<Snapshot> | undefined
let following: Promise<Snapshot> | undefined

/** In place of a look that has failed, for example because this process has no file descriptor left. */
const failed: Snapshot = { seen: [], isSure: false, hasFailed: true }

/** The live processes that are no older than this process. Does not reject. */
export const take = (): Promise<Snapshot> => {
  if (current === undefined) {
    return (current = look()
      .catch(() => failed)
      .finally(() => (current = undefined)))
  }
  following ??= current.then(() => {
    following = undefined
    return take()
  })
  return following
}
