/** The processes of the machine, as Linux shows them. Other systems show nothing here. */
import { readFileSync } from "node:fs"
import { readdir, readFile } from "node:fs/promises"

export interface Process {
  /** Dead: it has ended, and waits for its parent to notice. */
  readonly isDead: boolean
  readonly group: number
  /** In the clock of the system. */
  readonly started: string
}

/** The name of the program, in brackets, may contain anything. */
const parse = (stat: string): Process => {
  const [state = "", , group = "", ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return { isDead: state === "Z" || state === "X", group: Number(group), started: rest[16] ?? "" }
}

/** Undefined if there is no such process, or none can be looked at. */
export const find = (pid: number): Process | undefined => {
  try {
    return parse(readFileSync(`/proc/${pid}/stat`, "latin1"))
  } catch {
    return undefined
  }
}

/** The processes of a group; undefined where processes can't be looked at. */
export const ofGroup = async (group: number): Promise<ReadonlyArray<Process> | undefined> => {
  const names = await readdir("/proc").catch(() => [])
  const pids = names.filter((name) => /^\d+$/.test(name))
  if (pids.length === 0) return undefined
  const found = await Promise.all(
    // A process may have ended since.
    pids.map((pid) => readFile(`/proc/${pid}/stat`, "latin1").then(parse, () => undefined))
  )
  return found.filter((process) => process !== undefined).filter((process) => process.group === group)
}
