/**
 * One process of a command: its signals and its end.
 *
 * Invariants:
 * 1. A process that has ended gets no signal, because the system may give its number away.
 * 2. The number of a group stays taken while a process of the group is left. Once a look after the end of the leader
 *    has found the group empty, the group gets no signal.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { ChildProcessHandle } from "effect/process/ChildProcessSpawner"
import type { Signal } from "effect/process/ChildProcess"
import type { ProcessExit } from "../../ProcessError.ts"

export const isWindows: boolean = process.platform === "win32"

/** The end of a process, or the error of the system in place of it. */
export type End =
  | { readonly _tag: "Known"; readonly exit: ProcessExit }
  | { readonly _tag: "Lost"; readonly cause: unknown }

export class Member {
  readonly handle: ChildProcessHandle
  /** The name of the program, for messages. */
  readonly program: string
  /** Whether the process leads a session, and so a group, of its own. */
  readonly isLeader: boolean
  readonly end: Promise<End>
  private isGroupGone = false

  constructor(handle: ChildProcessHandle, program: string, isLeader: boolean) {
    this.handle = handle
    this.program = program
    this.isLeader = isLeader
    this.end = Effect.runPromise(Effect.map(Effect.exit(handle.exitCode), endOf))
  }

  get pid(): number {
    return this.handle.pid
  }

  get isRunning(): boolean {
    const running = Effect.runSyncExit(this.handle.isRunning)
    return Exit.isSuccess(running) && running.value
  }

  /** Signals the group of a leader that runs, or a process without a group of its own. */
  signal(name: Signal): void {
    if (!this.isRunning) return
    // Windows has no signals. Effect ends the tree there.
    if (isWindows) return void Effect.runFork(Effect.ignore(this.handle.kill()))
    send(this.isLeader ? -this.pid : this.pid, name)
  }

  /** Whether a process of the group may be left. */
  looksAtGroup(): boolean {
    if (this.isRunning) return true
    this.isGroupGone ||= isWindows || !this.isLeader || !send(-this.pid, 0)
    return !this.isGroupGone
  }

  /** Signals the rest of the group after the end of its leader, where processes are not shown. */
  signalGroup(name: Signal): void {
    if (this.looksAtGroup()) send(-this.pid, name)
  }
}

/** False if there is no such process or group, or it may not be signaled. */
const send = (pid: number, signal: Signal | 0): boolean => {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

/** Effect fails with an untyped error after the end by a signal, and names the signal in the text of its cause. */
const bySignal = /receipt of signal: '(SIG[A-Z0-9]+)'/

const endOf = (exit: Exit.Exit<number, unknown>): End => {
  if (Exit.isSuccess(exit)) return { _tag: "Known", exit: { _tag: "Exited", code: exit.value } }
  const error = Cause.squash(exit.cause)
  const text = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
  const signal = bySignal.exec(text)?.[1]
  // The system names only its own signals.
  return signal === undefined
    ? { _tag: "Lost", cause: error }
    : { _tag: "Known", exit: { _tag: "Signaled", signal: signal as Signal } }
}
