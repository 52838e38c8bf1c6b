/** The tasks and callers of a pool that wait. */
import type * as CancelReason from "@quiesce/core/CancelReason"
import type * as WorkerError from "../../WorkerError.ts"
import { Addressed } from "./addressed.ts"
import { Admissions } from "./admissions.ts"
import type { PoolEvents } from "./poolEvents.ts"
import type { PoolTask } from "./poolWorker.ts"
import { lookAt, type QueuedTask, TaskQueue } from "./taskQueue.ts"

export class Backlog<Task extends PoolTask> {
  /** The tasks that wait for a worker. */
  readonly queue: TaskQueue<Task> = new TaskQueue()
  /** The tasks of broadcasts, each of which waits for a worker of its own. */
  readonly addressed: Addressed<Task> = new Addressed()
  /** The callers that wait for room in the queue. */
  readonly admissions: Admissions

  /** `onLeft` is called with the number of callers that have left without a task. */
  constructor(events: PoolEvents | undefined, onLeft: (callers: number) => void) {
    this.admissions = new Admissions((callers) => {
      for (const { task } of callers) events?.callerLeft(task)
      onLeft(callers.length)
    })
  }

  /** How many tasks wait for a worker. */
  get tasks(): number {
    return this.queue.size + this.addressed.size
  }

  /** How many tasks and callers have not been started. */
  get size(): number {
    return this.tasks + this.admissions.size
  }

  /** How many tasks wait or are to come, of callers that wait or were admitted. */
  get expected(): number {
    return this.size + this.admissions.admitted
  }

  /** The tasks and callers that wait, in order. */
  get look(): ReadonlyArray<QueuedTask> {
    return lookAt([...this.addressed.all, ...this.queue.all, ...this.admissions.all])
  }

  /** Ends the tasks and callers that wait. Gives their number. */
  cancel(reason: CancelReason.CancelReason): number {
    const callers = this.admissions.cancel(reason)
    const all = [...this.addressed.all, ...this.queue.all]
    for (const task of all) task.cancel(reason)
    return callers + all.length
  }

  /** Fails the tasks and callers that wait. */
  reject(error: WorkerError.WorkerError): void {
    // The callers first, because the end of a task makes room for a caller.
    this.admissions.refuse(error)
    for (const task of [...this.addressed.all, ...this.queue.all]) task.fail(error)
  }
}
