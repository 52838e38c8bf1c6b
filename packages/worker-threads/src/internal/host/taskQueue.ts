/** The tasks that wait for a worker, in the order in which they came. A task is taken or removed without a search. */
import { Entry, LinkedList } from "@quiesce/core/internal"

export class TaskQueue<Task> {
  private readonly tasks: LinkedList<Task> = new LinkedList()
  size = 0

  /** Adds a task. The returned function removes the task, unless the task was taken or removed before. */
  add(task: Task): () => void {
    const entry = new Entry(task)
    this.tasks.append(entry)
    this.size++
    return () => {
      if (entry.remove()) this.size--
    }
  }

  /** Removes the next task. */
  take(): Task | undefined {
    const entry = this.tasks.removeFirst()
    if (entry !== undefined) this.size--
    return entry?.value
  }

  /** All tasks, in order. */
  get all(): ReadonlyArray<Task> {
    const all: Array<Task> = []
    this.tasks.forEach((task) => all.push(task))
    return all
  }
}
