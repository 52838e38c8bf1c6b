/**
 * The processes of the machine, as `/proc` of Linux shows them. Other systems show nothing here.
 *
 * A process is named by its number and its start: the system gives the number of an ended process to a new one.
 */
import { existsSync, readFileSync } from "node:fs"
import { readdir, readFile } from "node:fs/promises"

export interface Process {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly session: number
  /** In ticks since the start of the system. */
  readonly started: number
  /** The letter of the state, such as `S` for sleeping. */
  readonly state: string
  readonly program: string
}

/** A process has one, and no other process has the same. */
export const identity = ({ pid, started }: Process): string => `${pid} ${started}`

/** Whether this system shows its processes. */
export const isShown: boolean = process.platform === "linux" && existsSync("/proc/self/stat")

/** It has ended, and waits for its parent to notice. */
export const isDead = ({ state }: Process): boolean => state === "Z" || state === "X"

/** The name of the program stands in parentheses, and may contain any character. */
const parse = (pid: number, stat: string): Process => {
  const end = stat.lastIndexOf(")")
  const [state = "", parent, group, session, ...rest] = stat.slice(end + 2).split(" ")
  return {
    pid,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    started: Number(rest[15]),
    state,
    program: stat.slice(stat.indexOf("(") + 1, end)
  }
}

/** The process with this number now; undefined if there is none, or none is shown. */
export const find = (pid: number): Process | undefined => {
  try {
    return parse(pid, readFileSync(`/proc/${pid}/stat`, "latin1"))
  } catch {
    return undefined
  }
}

/** Whether the process still runs, and is not another one with its number. */
export const isSame = ({ pid, started }: Process): boolean => {
  const now = find(pid)
  return now !== undefined && now.started === started && !isDead(now)
}

/** The numbers of all processes now. */
export const numbers = async (): Promise<ReadonlyArray<number>> => {
  if (!isShown) return []
  const names = await readdir("/proc")
  return names.filter((name) => /^\d+$/.test(name)).map(Number)
}

/** The same as `find`, without a block of the event loop. Rejects if this process has no file descriptor left. */
export const read = (pid: number): Promise<Process | undefined> =>
  readFile(`/proc/${pid}/stat`, "latin1").then(
    (stat) => parse(pid, stat),
    (error: NodeJS.ErrnoException) => {
      // Otherwise every process would look as if it had ended.
      if (error.code === "EMFILE" || error.code === "ENFILE") throw error
      return undefined
    }
  )

/** The environment with which a process was started; undefined if it may not be read, or the process has ended. */
export const environment = async (found: Process): Promise<string | undefined> => {
  const text = await readFile(`/proc/${found.pid}/environ`, "latin1").catch(() => undefined)
  return find(found.pid)?.started === found.started ? text : undefined
}

/** Whether a process is about to run another program, and so has neither an environment nor arguments. */
export const isStarting = async ({ pid }: Process): Promise<boolean> =>
  (await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "")) === ""

/** The number of the process or thread that was created last. */
export const latest = (): number => {
  try {
    return Number(readFileSync("/proc/loadavg", "latin1").trim().split(" ").at(-1))
  } catch {
    return NaN
  }
}
