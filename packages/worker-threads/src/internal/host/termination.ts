/**
 * The end of a worker by force, insisted on.
 *
 * An end by the inspector that is just under way, when it comes to the worker, takes back this one as well: then code that
 * runs next goes on for ever. So the worker is told again until it is gone, or is in native code and may have heard.
 *
 * Node takes the whole process down when there is something to tell the inspector of a worker that is being taken down,
 * be it that nobody listens any more. So that is told before, and a worker that goes by itself is let go.
 *
 * Invariant: while one telling is on its way to the next, nobody starts another.
 */
import type { Worker } from "node:worker_threads"

/** For how long a worker may outlive its port. */
const graceMillis = 500

/** How often, and at first after which time, it is told again; each pause is twice the last. */
const attempts = 8
const firstMillis = 25

export class Termination {
  private readonly worker: Worker
  private readonly disconnectInspector: () => void
  private timer: NodeJS.Timeout | undefined = undefined
  private late: NodeJS.Timeout | undefined = undefined

  /** `disconnectInspector` closes the line to its inspector. */
  constructor(worker: Worker, disconnectInspector: () => void) {
    this.worker = worker
    this.disconnectInspector = disconnectInspector
  }

  /** Whatever runs. */
  begin(): void {
    this.disconnectInspector()
    if (this.timer === undefined) this.terminateUntilEnded(1)
  }

  /** Its port has closed, as is done by a worker that ends, too. */
  beginAfterGrace(): void {
    this.late ??= setTimeout(() => this.begin(), graceMillis).unref()
  }

  /** The worker is gone. */
  over(): void {
    clearTimeout(this.timer)
    clearTimeout(this.late)
  }

  private terminateUntilEnded(attempt: number): void {
    this.timer = undefined
    void this.worker.terminate()
    if (attempt < attempts)
      this.timer = setTimeout(() => this.terminateUntilEnded(attempt + 1), firstMillis * 2 ** attempt)
  }
}
