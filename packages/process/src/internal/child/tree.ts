/**
 * The processes of one tree: found by their mark or, with a cleared environment, by their parent, group or session, or by an
 * earlier look.
 *
 * Invariant: a signal goes to a process only if the time of its start is still the same, so a process that was given
 * the number of an ended process is left alone.
 */
import * as Mark from "./mark.ts"
import { pause } from "./pause.ts"
import * as Table from "./processTable.ts"
import * as Snapshot from "./snapshot.ts"

/** The limit on the looks for a tree without a process, and the pause between two looks in milliseconds. */
const looks = 30
const pauseMillis = 3

/** The pause after a look that has failed, in milliseconds. The cause of the failure may need some time to go away. */
const failedMillis = 100

/**
 * The live processes with this mark, in one of these sessions or among the known ones, and all processes below. Empty after
 * `mostFailed` looks that have failed (default: as many as there may be looks).
 */
export const find = async (
  mark: string,
  sessions: ReadonlySet<number>,
  known: ReadonlyArray<Table.Process> = [],
  mostFailed: number = looks
): Promise<ReadonlyArray<Table.Process>> => {
  const identities = new Set(known.map(Table.identity))
  let failed = 0
  for (let look = 1; ; look++) {
    const snapshot = await Snapshot.take()
    const found = findIn(snapshot, mark, sessions, identities)
    if (snapshot.hasFailed) failed++
    // Only an empty result needs to be sure, because a caller with a result looks again.
    if (found.length > 0 || snapshot.isSure || look >= looks || failed >= mostFailed) return found
    await pause(snapshot.hasFailed ? failedMillis : pauseMillis)
  }
}

const findIn = (
  { seen }: Snapshot.Snapshot,
  mark: string,
  sessions: ReadonlySet<number>,
  known: ReadonlySet<string>
): ReadonlyArray<Table.Process> => {
  const isRoot = ({ environment, process }: Snapshot.Seen): boolean =>
    Mark.isIn(environment, mark) || sessions.has(process.session) || known.has(Table.identity(process))
  const roots = seen.filter(isRoot)
  return Snapshot.closure(
    seen.map(({ process }) => process),
    new Set(roots.map(({ process }) => process))
  )
}

/** Sends a signal to a found process. False if the process is gone, or may not be signaled. */
export const signal = (found: Table.Process, name: NodeJS.Signals): boolean => {
  if (!Table.isSame(found)) return false
  try {
    return process.kill(found.pid, name)
  } catch {
    return false
  }
}

const states: Partial<Record<string, string>> = {
  R: "runs",
  S: "sleeps",
  D: "waits for a device",
  T: "is stopped",
  t: "is traced",
  I: "idles"
}

/** A process as a line of a report. */
export const describe = ({ pid, program, state }: Table.Process): string =>
  `${program} (pid ${pid}) ${states[state] ?? state}`
