/** The workers that a process has started since, because Node lists no worker among its handles. */
import type { Worker } from "node:worker_threads"

/** The time in which a worker that waits for events is seen to wait, in milliseconds. */
const lookMillis = 20

export class LiveWorkers {
  private readonly live = new Set<Worker>()
  private readonly started = (worker: Worker): void => {
    this.live.add(worker)
    worker.once("exit", () => this.live.delete(worker))
  }

  constructor() {
    process.on("worker", this.started)
  }

  /** The number of live workers. None is noticed from now on. */
  end(): number {
    process.off("worker", this.started)
    return this.live.size
  }

  /**
   * Whether a worker runs code without a pause, such as native code or a loop. A worker that starts does not count. Blocks the
   * thread for a moment if there are workers, because an exit can't wait otherwise.
   */
  get isBusy(): boolean {
    if (this.live.size === 0) return false
    const before = Array.from(this.live, (worker) => ({ worker, ...worker.performance.eventLoopUtilization() }))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lookMillis)
    return before.some(({ active, idle, worker }) => {
      const now = worker.performance.eventLoopUtilization()
      return active > 0 && now.active > active && now.idle <= idle
    })
  }
}
