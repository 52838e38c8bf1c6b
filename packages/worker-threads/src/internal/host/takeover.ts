/** The workers that were started before their pool, and are taken over by it. */
import type { StartedWorker } from "./workerEnds.ts"
import type { WorkerHandle } from "./workerHandle.ts"

export class Takeover<Started extends StartedWorker> {
  private readonly started: ReadonlyArray<Started>
  private readonly taken: Array<readonly [WorkerHandle, Started]> = []

  constructor(started: ReadonlyArray<Started>) {
    this.started = started
  }

  /** Makes the handle of the next worker that is taken over; or of a new worker, if there is none. */
  handle(make: (started: Started | undefined) => WorkerHandle): WorkerHandle {
    const started = this.started[this.taken.length]
    const handle = make(started)
    if (started !== undefined) this.taken.push([handle, started])
    return handle
  }

  /** Takes over all workers: first their running tasks, then their events. `start` makes a handle. */
  run(start: () => unknown, adopt: (handle: WorkerHandle, started: Started) => void): void {
    for (let i = 0; i < this.started.length; i++) start()
    for (const [handle, started] of this.taken) adopt(handle, started)
    for (const [handle, { events }] of this.taken) for (const event of events) event(handle)
  }
}
