/**
 * Looks at all processes of the machine, for all trees of this process at once.
 *
 * Invariants:
 * 1. A look begins after it was asked for, so that it shows every process that was there at that time.
 * 2. At most one look is under way. Requests that come meanwhile share the next one.
 */
import * as Table from "./processTable.ts"

interface Seen {
  readonly process: Table.Process
  readonly environment: string
}

export interface Snapshot {
  readonly seen: ReadonlyArray<Seen>
  /**
   * Whether no process can have been missed. A process that has ended during the look may have started another one, and
   * a process that starts its program has no environment for a moment.
   */
  readonly isSure: boolean
}

/** No process that is older than this one descends from it. */
const oldest = Table.find(process.pid)?.started ?? 0

/** The number of looks in a row after which a process without an environment has none, and does not start its program. */
const patience = 3

/** The processes of the last look, with the number of looks in a row that have found no environment. */
let known: ReadonlyMap<number, number> = new Map()

const look = async (): Promise<Snapshot> => {
  const numbers = (await Table.numbers()).filter((pid) => pid !== process.pid)
  const read = await Promise.all(numbers.map(readOne))
  const now = new Map<number, number>()
  let isSure = true
  for (const { pid, result } of read) {
    const before = known.get(pid)
    if (result === "Missed") {
      // A process that was seen without a mark starts none with it.
      if (before === undefined) isSure = false
      continue
    }
    const empty = result !== "Foreign" && result.environment === "" ? (before ?? 0) + 1 : 0
    if (empty > 0 && empty < patience) isSure = false
    now.set(pid, empty)
  }
  known = now
  return { seen: read.flatMap(({ result }) => (typeof result === "object" ? [result] : [])), isSure }
}

type Result = Seen | "Missed" | "Foreign"

const readOne = async (pid: number): Promise<{ readonly pid: number; readonly result: Result }> => {
  const found = await Table.read(pid)
  if (found === undefined) return { pid, result: "Missed" }
  if (found.started < oldest || Table.isDead(found)) return { pid, result: "Foreign" }
  const environment = await Table.environment(found)
  if (environment !== undefined) return { pid, result: { process: found, environment } }
  // The environment of another user's process may not be read.
  return { pid, result: Table.isSame(found) ? { process: found, environment: unreadable } : "Missed" }
}

/** In place of an environment that may not be read. */
const unreadable = "?"

let current: Promise<Snapshot> | undefined
let following: Promise<Snapshot> | undefined

/** The live processes that are no older than this one. */
export const take = (): Promise<Snapshot> => {
  if (current === undefined) return (current = look().finally(() => (current = undefined)))
  following ??= current.then(() => {
    following = undefined
    return take()
  })
  return following
}
