/**
 * The end of a worker by force, insisted on.
 *
 * An end by the inspector that is just under way, when it comes to the worker, takes back this one as well: then code that
 * runs next goes on for ever. So the worker is told again until it is gone, or is in native code and may have heard.
 *
 * Invariant: while one telling is on its way to the next, nobody starts another.
 */
import type { Worker } from "node:worker_threads"

/** How often, and at first after which time, it is told again; each pause is twice the last. */
const attempts = 8
const firstMillis = 25

export class Termination {
  private readonly worker: Worker
  private timer: NodeJS.Timeout | undefined = undefined

  constructor(worker: Worker) {
    this.worker = worker
  }

  begin(): void {
    if (this.timer === undefined) this.insist(1)
  }

  /** The worker is gone. */
  over(): void {
    clearTimeout(this.timer)
  }

  private insist(attempt: number): void {
    this.timer = undefined
    void this.worker.terminate()
    if (attempt < attempts) this.timer = setTimeout(() => this.insist(attempt + 1), firstMillis * 2 ** attempt)
  }
}
