/**
 * A child process of the host and the processes that it has started: on POSIX its process group, on Windows its tree.
 *
 * Invariants:
 * 1. A group that is gone gets no more signals, because the system may give its number away.
 * 2. If this process exits, the groups that are left are killed.
 */
import { type ChildProcess, execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { makeProcessState, processExited, type ProcessState } from "../../wire/readyLeases.ts"
import * as ProcessTable from "./processTable.ts"
import { codeOf } from "./system.ts"

const isWindows = process.platform === "win32"

/** How long the kernel may take to remove killed processes, in milliseconds. */
const removalMillis = 1000

/** The first and the longest pause between two looks at a group, in milliseconds. */
const firstPause = 10
const longestPause = 100

/** The groups of this process, so that one listener serves all. */
const groups = new Set<ProcessGroup>()

const killAll = (): void => {
  for (const group of groups) group.signal("SIGKILL")
}

export class ProcessGroup {
  readonly pid: number
  readonly state: ProcessState = makeProcessState()
  private readonly leader: ChildProcess
  private isGone = false

  /** The process has been spawned as the leader of a group of its own. */
  constructor(leader: ChildProcess, pid: number) {
    this.leader = leader
    this.pid = pid
    // Before folders are removed, in which the processes may write.
    if (groups.size === 0) process.prependListener("exit", killAll)
    groups.add(this)
    leader.once("exit", (code, signal) => {
      this.look()
      processExited(this.state, code, signal)
    })
  }

  /** Asks the group to end, and kills it after the grace. Rejects if a process of the group can't be ended. */
  async end(graceMillis: number): Promise<void> {
    try {
      if (this.look()) return
      if (isWindows) await this.killTree()
      else {
        this.signal("SIGTERM")
        if (await this.gone(graceMillis)) return
        this.signal("SIGKILL")
      }
      if (await this.gone(removalMillis)) return
      if (this.hasExited || isWindows) return
      throw new Error(`Process ${this.pid} has not ended after SIGKILL. It may belong to another user.`)
    } finally {
      this.forget()
    }
  }

  signal(signal: "SIGTERM" | "SIGKILL"): void {
    if (this.look()) return
    try {
      if (isWindows) this.leader.kill(signal)
      else process.kill(-this.pid, signal)
    } catch (error) {
      if (codeOf(error) !== "ESRCH" && codeOf(error) !== "EPERM") throw error
    }
  }

  private get hasExited(): boolean {
    return this.leader.exitCode !== null || this.leader.signalCode !== null
  }

  /** Whether no process of the group is left. */
  private look(): boolean {
    this.isGone ||= this.hasExited && (isWindows || this.isNumberFree())
    if (this.isGone) this.forget()
    return this.isGone
  }

  private isNumberFree(): boolean {
    // The number of an exited leader comes again only after its whole group has ended.
    if (existsSync(`/proc/${this.pid}`)) return true
    try {
      process.kill(-this.pid, 0)
      return false
    } catch {
      // On macOS, a group of dead processes can't be signaled.
      return true
    }
  }

  /** Looks until no process of the group runs or the time is over. */
  private async gone(millis: number): Promise<boolean> {
    const end = performance.now() + millis
    for (let pause = firstPause; ; pause = Math.min(2 * pause, longestPause)) {
      if (this.look() || (await this.isDead())) return true
      if (performance.now() >= end) return false
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }

  /** In a container, dead processes may stay for ever, because nobody notices their end. */
  private async isDead(): Promise<boolean> {
    if (!this.hasExited) return false
    const left = await ProcessTable.ofGroup(this.pid)
    return left?.every(({ isDead }) => isDead) === true
  }

  /** Windows has no signals: the processes whose parents are still there end at once. */
  private killTree(): Promise<void> {
    return new Promise((resolve) =>
      execFile("taskkill", ["/pid", String(this.pid), "/T", "/F"], { windowsHide: true }, () => resolve())
    )
  }

  private forget(): void {
    if (groups.delete(this) && groups.size === 0) process.off("exit", killAll)
  }
}
