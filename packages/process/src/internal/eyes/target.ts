/**
 * A process that may be looked at: a live Node process of this user with a handler of SIGUSR1 that opens the inspector.
 *
 * SIGUSR1 ends a process without such a handler. Any uncertainty is therefore a refusal.
 */
import { readFileSync, readlinkSync } from "node:fs"
import { basename } from "node:path"
import * as Table from "../child/processTable.ts"

export interface Target {
  readonly process: Table.Process
  readonly command: ReadonlyArray<string>
  /** The options in NODE_OPTIONS. */
  readonly options: string
}

export type Found =
  | { readonly _tag: "Usable"; readonly target: Target }
  | { readonly _tag: "Refused"; readonly pid: number; readonly problem: string }

/** The number of SIGUSR1 on Linux, on each architecture of Node. */
const sigusr1 = 10

/** The request to close the inspector would run on the thread that waits for the end of the connection. */
const itself =
  "it is this process, and a process can't close its inspector while it looks at itself. Use ThreadDump.whole"

export const find = (pid: number): Found => {
  const refused = (problem: string): Found => ({ _tag: "Refused", pid, problem })
  if (pid === process.pid) return refused(itself)
  if (!Table.isShown) return refused("this system has no /proc, by which a process is checked before a signal is sent")
  const found = Table.find(pid)
  if (found === undefined) return refused("there is no such process")
  if (Table.isDead(found)) return refused("it has ended, and waits for its parent to notice")
  try {
    const problem = problemOf(pid)
    if (problem !== undefined) return refused(problem)
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1)
    const target: Target = { process: found, command, options: optionsOf(pid) }
    return Table.isSame(found) ? { _tag: "Usable", target } : refused("it has just ended")
  } catch {
    return refused("the system does not show it to this user")
  }
}

const problemOf = (pid: number): string | undefined => {
  const status = statusOf(pid)
  // The real, the effective, the saved and the file system's user.
  const users = (status.get("Uid") ?? "").split(/\s+/)
  if (users.length !== 4 || users.some((user) => Number(user) !== process.getuid?.()))
    return "it belongs to another user"
  if (!isNode(readlinkSync(`/proc/${pid}/exe`))) return "it does not run Node"
  if (readlinkSync(`/proc/${pid}/ns/net`) !== readlinkSync("/proc/self/ns/net"))
    return "it has a network of its own, as in a container. Run this command there"
  if ("tT".includes(Table.find(pid)?.state ?? "T")) return "it is stopped. Send it SIGCONT first"
  if (!catches(status.get("SigCgt"), sigusr1))
    return "it does not handle SIGUSR1, which would end it: it may just be starting, or was started with --disable-sigusr1"
  return undefined
}

const statusOf = (pid: number): ReadonlyMap<string, string> =>
  new Map(
    readFileSync(`/proc/${pid}/status`, "utf8")
      .split("\n")
      .map((line) => {
        const [name = "", value = ""] = line.split(":\t")
        return [name, value.trim()]
      })
  )

/** A program that was replaced by an update is marked so. */
const isNode = (path: string): boolean =>
  /^node(js)?([-.]?\d[\d.]*)?$/.test(basename(path.replace(/ \(deleted\)$/, "")))

const catches = (mask: string | undefined, signal: number): boolean =>
  mask !== undefined && /^[\da-f]+$/i.test(mask) && ((BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n) === 1n

const optionsOf = (pid: number): string => {
  const variables = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0")
  return variables.find((each) => each.startsWith("NODE_OPTIONS="))?.slice("NODE_OPTIONS=".length) ?? ""
}
