/**
 * The threads below this thread. When a worker ends, the threads of its own workers end too, and nothing else reports
 * their deaths.
 *
 * The workers that this thread has started are known for certain. Each further thread is a claim of a worker, which may
 * be wrong about it.
 *
 * Invariants:
 * 1. Each thread above knows a thread from its start, and is informed of its end: from below, or with the end of the
 *    thread in between.
 * 2. Nothing but its exit event ends a worker that this thread has started. A worker that claims such a thread is refused.
 * 3. A thread that several workers claim counts as alive until each of them has reported its end or has ended itself. A
 *    false claim therefore takes no lock from a living thread.
 * 4. A worker claims at most `maxClaims` living threads.
 */
import { threadId as own } from "node:worker_threads"
import * as StringifyFastPath from "../wire/stringifyFastPath.ts"
import * as PlainHooks from "../wire/plainHooks.ts"
import type { ToHost } from "../wire/message.ts"
import * as Registry from "./registry.ts"

/** More threads than a process can run. */
const maxClaims = 4096

let reportToParent: (message: Extract<ToHost, { readonly _tag: "ThreadStarted" | "ThreadEnded" }>) => void =
  PlainHooks.current()?.report ?? (() => {})

/** Sets the function for reports to this thread's host. */
export const reportTo = (report: typeof reportToParent): void => {
  reportToParent = report
}

/** How this thread knows of a thread below. */
type Known = { readonly _tag: "Started" } | { readonly _tag: "Claimed"; readonly by: Set<ThreadDeaths> }

const started: Known = { _tag: "Started" }

/** All threads below this thread. */
const below = new Map<number, Known>()

/** Call it when the threads have really ended. */
const leave = (threadIds: ReadonlyArray<number>): void => {
  for (const threadId of threadIds) below.delete(threadId)
  Registry.threadsDied(threadIds)
  for (const threadId of threadIds) {
    StringifyFastPath.threadDied(threadId)
    reportToParent({ _tag: "ThreadEnded", threadId })
  }
}

/** A worker and the threads below it. */
export class ThreadDeaths {
  private readonly worker: number
  private readonly refuse: (problem: string) => void
  private readonly claims: Set<number> = new Set()

  /** `refuse` is called when the worker has claimed a thread that is not below it. */
  constructor(worker: number, refuse: (problem: string) => void) {
    this.worker = worker
    this.refuse = refuse
    const before = below.get(worker)
    below.set(worker, started)
    if (before === undefined) reportToParent({ _tag: "ThreadStarted", threadId: worker })
    if (before?._tag === "Claimed") for (const claimant of before.by) claimant.unmask(worker)
  }

  /** The worker and the threads below the worker that have not ended. */
  get all(): ReadonlyArray<number> {
    return [this.worker, ...this.claims]
  }

  /** False if the worker is refused. */
  threadStarted(threadId: number): boolean {
    const known = below.get(threadId)
    if (threadId === own || threadId === 0 || known === started || this.claims.has(threadId)) return this.refused()
    if (this.claims.size === maxClaims) {
      this.refuse(`it reported more than ${maxClaims} living threads below it`)
      return false
    }
    this.claims.add(threadId)
    if (known?._tag === "Claimed") known.by.add(this)
    else {
      below.set(threadId, { _tag: "Claimed", by: new Set([this]) })
      reportToParent({ _tag: "ThreadStarted", threadId })
    }
    return true
  }

  threadEnded(threadId: number): void {
    if (this.withdraw(threadId)) leave([threadId])
  }

  /** The worker has ended. Node has ended all threads below it before. */
  end(): void {
    leave([this.worker, ...Array.from(this.claims).filter((threadId) => this.withdraw(threadId))])
  }

  /** Ends a claim. True if no other worker claims the thread. */
  private withdraw(threadId: number): boolean {
    const known = below.get(threadId)
    if (!this.claims.delete(threadId) || known?._tag !== "Claimed") return false
    known.by.delete(this)
    return known.by.size === 0
  }

  /** The claimed thread is a worker of this thread. */
  private unmask(threadId: number): void {
    this.claims.delete(threadId)
    this.refused()
  }

  private refused(): false {
    this.refuse("it reported a thread of another worker as its own")
    return false
  }
}
