/**
 * The tasks that wait for one worker each. A task leaves when its worker takes it, when it ends, or when its worker leaves.
 */
import type { PoolWorker } from "./poolWorker.ts"
import type { Waiting } from "./taskQueue.ts"

export class Addressed<Task extends Pick<Waiting, "waitingSince">> {
  private readonly waiting: Map<PoolWorker<Task>, Set<Task>> = new Map()
  size = 0

  /** The returned function removes the task, unless it was taken before. */
  add(worker: PoolWorker<Task>, task: Task): () => void {
    task.waitingSince = performance.now()
    const tasks = this.waiting.get(worker) ?? new Set()
    this.waiting.set(worker, tasks.add(task))
    this.size++
    return () => this.remove(worker, task)
  }

  /** Removes the first task for a worker. */
  take(worker: PoolWorker<Task>): Task | undefined {
    if (this.size === 0) return undefined
    const [task] = this.for(worker)
    if (task !== undefined) this.remove(worker, task)
    return task
  }

  /** The tasks for a worker, in order. */
  for(worker: PoolWorker<Task>): ReadonlyArray<Task> {
    return this.size === 0 ? [] : Array.from(this.waiting.get(worker) ?? [])
  }

  /** All tasks. */
  get all(): ReadonlyArray<Task> {
    return Array.from(this.waiting.values(), (tasks) => Array.from(tasks)).flat()
  }

  private remove(worker: PoolWorker<Task>, task: Task): void {
    const tasks = this.waiting.get(worker)
    if (tasks?.delete(task) !== true) return
    this.size--
    if (tasks.size === 0) this.waiting.delete(worker)
  }
}
