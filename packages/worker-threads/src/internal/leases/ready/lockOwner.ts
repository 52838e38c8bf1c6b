/**
 * The owner of a lock file: which process it is, and whether it has ended.
 *
 * A process is only taken for dead if that is certain. A process on another machine or in another container can't be
 * looked at, and a number without a time of its start may be that of a newer process.
 */
import { randomBytes } from "node:crypto"
import { readFileSync, readlinkSync } from "node:fs"
import { hostname } from "node:os"
import * as ProcessTable from "./processTable.ts"
import { codeOf } from "./system.ts"

export interface Owner {
  readonly pid: number
  /** When the process started, in the clock of the system; null where the system doesn't say it. */
  readonly started: string | null
  /** The machine, and on Linux the namespace of the number. */
  readonly host: string
  /** The run of the machine; null where the system doesn't name it. */
  readonly boot: string | null
  /** Different for each lock that was ever taken. */
  readonly token: string
}

const read = (f: () => string): string | null => {
  try {
    return f().trim()
  } catch {
    return null
  }
}

const host = [hostname(), read(() => readlinkSync("/proc/self/ns/pid"))].filter((part) => part !== null).join(" ")

const boot = read(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"))

const own = { pid: process.pid, started: ProcessTable.find(process.pid)?.started ?? null, host, boot }

/** This process, as the owner of a new lock. */
export const newOwner = (): Owner => ({ ...own, token: randomBytes(8).toString("hex") })

export const encode = (owner: Owner): string => `${JSON.stringify({ lockFile: 1, ...owner })}\n`

/** Undefined if the text is of no lock file. */
export const decode = (text: string): Owner | undefined => {
  try {
    const { boot, host, lockFile, pid, started, token } = JSON.parse(text) as Partial<Record<string, unknown>>
    const isOwner = lockFile === 1 && isPid(pid) && typeof host === "string" && isToken(token)
    if (!isOwner || !isTextOrNull(started) || !isTextOrNull(boot)) return undefined
    return { pid, started, host, boot, token }
  } catch {
    return undefined
  }
}

const isPid = (u: unknown): u is number => Number.isInteger(u) && (u as number) > 0 && (u as number) < 2 ** 31

/** It becomes a part of a path. */
const isToken = (u: unknown): u is string => typeof u === "string" && /^[0-9a-f]{16}$/.test(u)

const isTextOrNull = (u: unknown): u is string | null => u === null || typeof u === "string"

export const hasEnded = (owner: Owner): boolean => {
  if (owner.host !== host) return false
  if (owner.boot !== null && boot !== null && owner.boot !== boot) return true
  if (!isRunning(owner.pid)) return true
  const found = ProcessTable.find(owner.pid)
  return found !== undefined && (found.isDead || (owner.started !== null && owner.started !== found.started))
}

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // A process of another user runs, too.
    return codeOf(error) !== "ESRCH"
  }
}
