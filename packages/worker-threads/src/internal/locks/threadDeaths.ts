/**
 * The threads below a worker. When a worker ends, the threads of its own workers end too, and nothing else reports
 * their deaths.
 *
 * Invariants:
 * 1. Each thread above knows a thread from its start, and is informed of its end: from below, or with the end of the
 *    thread in between.
 * 2. A thread has one parent. No other thread can report its end.
 */
import { threadId as own } from "node:worker_threads"
import * as StringifyFastPath from "../wire/stringifyFastPath.ts"
import type { ToHost } from "../wire/message.ts"
import * as Registry from "./registry.ts"

let reportToParent: (message: Extract<ToHost, { readonly _tag: "ThreadStarted" | "ThreadEnded" }>) => void = () => {}

/** Sets the function for reports to this thread's host. */
export const reportTo = (report: typeof reportToParent): void => {
  reportToParent = report
}

/** All threads below this thread. */
const below = new Set<number>()

const enter = (threadId: number): boolean => {
  if (threadId === own || below.has(threadId)) return false
  below.add(threadId)
  reportToParent({ _tag: "ThreadStarted", threadId })
  return true
}

/** Call it when the thread has really ended. */
const leave = (threadId: number): void => {
  below.delete(threadId)
  Registry.threadDied(threadId)
  StringifyFastPath.threadDied(threadId)
  reportToParent({ _tag: "ThreadEnded", threadId })
}

/** A worker and the threads below it. */
export class ThreadDeaths {
  private readonly worker: number
  private readonly ids: Set<number> = new Set()

  constructor(worker: number) {
    this.worker = worker
    enter(worker)
  }

  /** The worker and the threads below the worker that have not ended. */
  get all(): ReadonlyArray<number> {
    return [this.worker, ...this.ids]
  }

  /** False if the thread is already known, or is this thread. */
  threadStarted(threadId: number): boolean {
    if (!enter(threadId)) return false
    this.ids.add(threadId)
    return true
  }

  threadEnded(threadId: number): void {
    if (this.ids.delete(threadId)) leave(threadId)
  }

  /** The worker has ended. Node has ended all threads below it before. */
  end(): void {
    for (const threadId of [this.worker, ...this.ids]) leave(threadId)
    this.ids.clear()
  }
}
