/**
 * The tasks that wait for a worker: the highest priority first, and within a priority in the order in which they came. The
 * cost of taking or removing a task does not depend on the number of tasks. Nothing here loads Effect.
 */
import { Entry, LinkedList } from "@quiesce/core/internal/plainHost"
import { type Level, Levels } from "./levels.ts"

/** A task, or a caller that has not yet made one. */
export interface Waiting {
  readonly name: string
  readonly priority: number
  /** The time of the process at which the wait began, in milliseconds. 0 before. */
  waitingSince: number
}

/** A look at a waiting task. */
export interface QueuedTask {
  readonly name: string
  readonly ageMillis: number
  readonly priority: number
}

/** The tasks of one priority. */
interface TaskLevel<Task> extends Level {
  readonly tasks: LinkedList<Task>
}

export class TaskQueue<Task extends Waiting> {
  private readonly levels: Levels<TaskLevel<Task>> = new Levels()
  private readonly byPriority: Map<number, TaskLevel<Task>> = new Map()
  /** The level that was emptied last. Most queues have one level, which is emptied and filled again. */
  private spare: TaskLevel<Task> | undefined = undefined
  size = 0

  /** Adds a task. The returned function removes the task, unless the task was taken or removed before. */
  add(task: Task): () => void {
    if (task.waitingSince === 0) task.waitingSince = performance.now()
    const level = this.byPriority.get(task.priority) ?? this.open(task.priority)
    const entry = new Entry(task)
    level.tasks.append(entry)
    this.size++
    return () => {
      if (entry.remove()) this.removed(level)
    }
  }

  /** The next task. */
  get first(): Task | undefined {
    return this.levels.highest?.tasks.first
  }

  /** Removes the next task. */
  take(): Task | undefined {
    const level = this.levels.highest
    const entry = level?.tasks.removeFirst()
    if (entry === undefined) return undefined
    this.removed(level!)
    return entry.value
  }

  /** All tasks, in order. */
  get all(): ReadonlyArray<Task> {
    const all: Array<Task> = []
    for (const { tasks } of this.levels.all) tasks.forEach((task) => all.push(task))
    return all
  }

  private open(priority: number): TaskLevel<Task> {
    const level = this.spare?.priority === priority ? this.spare : { priority, tasks: new LinkedList<Task>(), place: 0 }
    this.byPriority.set(priority, level)
    this.levels.add(level)
    return level
  }

  private removed(level: TaskLevel<Task>): void {
    this.size--
    if (!level.tasks.isEmpty) return
    this.byPriority.delete(level.priority)
    this.levels.remove(level)
    this.spare = level
  }
}

export const lookAt = (waiting: ReadonlyArray<Waiting>): ReadonlyArray<QueuedTask> => {
  const now = performance.now()
  return waiting.map(({ name, priority, waitingSince }) => ({ name, ageMillis: now - waitingSince, priority }))
}
