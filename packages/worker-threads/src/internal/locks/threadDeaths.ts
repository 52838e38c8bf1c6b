/**
 * Which threads live below a worker, as a thread of a worker's worker ends with it and then has nobody to say so.
 *
 * Invariants:
 * 1. Each thread above knows of a thread from when it was started, and hears of its end, from below or with the end of
 *    the one in between.
 * 2. A thread has one parent: nobody's end can be told by another.
 */
import { threadId as own } from "node:worker_threads"
import type { ToHost } from "../wire/message.ts"
import * as Registry from "./registry.ts"

let reportToParent: (message: Extract<ToHost, { readonly _tag: "ThreadStarted" | "ThreadEnded" }>) => void = () => {}

/** Where the host of this thread is told of those below. */
export const reportTo = (report: typeof reportToParent): void => {
  reportToParent = report
}

/** All that live below this thread. */
const below = new Set<number>()

const enter = (threadId: number): boolean => {
  if (threadId === own || below.has(threadId)) return false
  below.add(threadId)
  reportToParent({ _tag: "ThreadStarted", threadId })
  return true
}

/** To be called when the thread has really ended. */
const leave = (threadId: number): void => {
  below.delete(threadId)
  Registry.threadDied(threadId)
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

  /** `false` for a thread that is somebody else's. */
  threadStarted(threadId: number): boolean {
    if (!enter(threadId)) return false
    this.ids.add(threadId)
    return true
  }

  threadEnded(threadId: number): void {
    if (this.ids.delete(threadId)) leave(threadId)
  }

  /** The worker has ended, and Node has ended before all that it had started. */
  end(): void {
    for (const threadId of [this.worker, ...this.ids]) leave(threadId)
    this.ids.clear()
  }
}
