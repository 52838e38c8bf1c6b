/**
 * The processes of one command and all their descendants, in any group and session.
 *
 * Where the system shows its processes, a descendant is found by the mark, or below a found process, or in the session
 * of a found process, or because an earlier look has found it. A descendant with a cleared environment in a session of its
 * own is found only below its living parent. So a look comes before each signal that may end the parent, and a kill first
 * stops all processes, so that none of them starts another one meanwhile. Elsewhere only the groups of the command's own
 * processes are known.
 */
import type { Signal } from "effect/process/ChildProcess"
import type { Member } from "./member.ts"
import { pause, within } from "./pause.ts"
import * as Table from "./processTable.ts"
import * as Tree from "./tree.ts"

/** The first and the longest pause between two looks, in milliseconds. */
const firstPause = 5
const longestPause = 100

/**
 * The looks before a signal or a kill delay it no further, in milliseconds. A look takes some 10 ms, and on an overloaded
 * machine some 250 ms. A signal without a look would leave descendants that are found below their living parent only.
 */
const lookMillis = 2000

/** So many failed looks delay a signal or a kill, each by 100 ms. */
const mostFailed = 3

/** A family that starts processes faster than they are stopped is killed after so many looks. */
const mostLooks = 20

export class Family {
  private readonly mark: string
  private readonly members: ReadonlyArray<Member>
  /** The processes of the latest look that has found any. */
  private known: ReadonlyArray<Table.Process> = []
  /** Resolves after the latest request to end. */
  private asked: Promise<void> = Promise.resolve()

  constructor(mark: string, members: ReadonlyArray<Member>) {
    this.mark = mark
    this.members = members
  }

  /** Signals the groups of the command's processes that run, after a look. */
  signal(name: Signal): Promise<void> {
    return this.afterLook(() => this.signalMembers(name))
  }

  /** Asks the command to end, after a look with a limit. Requests keep their order. */
  afterLook(ask: () => void): Promise<void> {
    const look = async (): Promise<void> => {
      if (Table.isShown) await within(this.found(mostFailed), lookMillis)
      ask()
    }
    this.asked = this.asked.then(look)
    return this.asked
  }

  private signalMembers(name: Signal): void {
    for (const member of this.members) member.signal(name)
  }

  /** Signals every process of the family that is found. */
  async signalAll(name: NodeJS.Signals): Promise<void> {
    await this.found()
    this.signalKnown(name)
  }

  /** Signals the command's processes, and those of the latest look that has found any. */
  private signalKnown(name: NodeJS.Signals): void {
    this.signalMembers(name)
    if (!Table.isShown) for (const member of this.members) member.signalGroup(name)
    for (const process of this.known) Tree.signal(process, name)
  }

  /** Stops every process that is found, until a look finds no other one. A look that takes long delays the caller no further. */
  private async stop(): Promise<void> {
    let isLate = false
    const stopAll = async (): Promise<void> => {
      const stopped = new Set<string>()
      for (let look = 0; look < mostLooks; look++) {
        const others = (await this.found(mostFailed)).filter((found) => !stopped.has(Table.identity(found)))
        if (others.length === 0 || isLate) return
        for (const other of others) {
          stopped.add(Table.identity(other))
          Tree.signal(other, "SIGSTOP")
        }
      }
    }
    await within(stopAll(), lookMillis)
    isLate = true
  }

  /** Waits until no process is left. False after `millis`, or when `hurry` aborts. */
  async gone(millis: number, hurry: AbortSignal): Promise<boolean> {
    const end = performance.now() + millis
    for (let next = firstPause; ; next = Math.min(2 * next, longestPause)) {
      if ((await this.left()) === 0) return true
      const rest = end - performance.now()
      if (rest <= 0 || hurry.aborted) return false
      await pause(Math.min(next, rest), hurry)
    }
  }

  /** Kills the family, also processes that are started meanwhile. The result describes the processes that remain. */
  async kill(millis: number): Promise<ReadonlyArray<string>> {
    const end = performance.now() + millis
    for (let next = firstPause; ; next = Math.min(2 * next, longestPause)) {
      if (Table.isShown) await this.stop()
      this.signalKnown("SIGKILL")
      await pause(next)
      if ((await this.left()) === 0) return []
      if (performance.now() >= end) return this.describe()
    }
  }

  /** The processes that are left, one a text. */
  async describe(): Promise<ReadonlyArray<string>> {
    if (Table.isShown) return (await this.found()).map(Tree.describe)
    return this.members
      .filter((member) => member.looksAtGroup())
      .map(({ pid, program }) => `${program} (pid ${pid}) or a process of its group`)
  }

  private async left(): Promise<number> {
    const running = this.members.filter((member) => (Table.isShown ? member.isRunning : member.looksAtGroup()))
    return running.length === 0 ? (await this.found()).length : running.length
  }

  private async found(mostFailed?: number): Promise<ReadonlyArray<Table.Process>> {
    if (!Table.isShown) return []
    // The number of a session may belong to other processes by now, once the group of the session was empty.
    const sessions = this.members.filter((member) => member.isLeader && member.looksAtGroup())
    const found = await Tree.find(this.mark, new Set(sessions.map(({ pid }) => pid)), this.known, mostFailed)
    // Nothing is found also if the look has failed.
    if (found.length > 0) this.known = found
    return found
  }
}
