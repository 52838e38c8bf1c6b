/**
 * The tasks in the slots of a worker. The id of a task gives its slot.
 *
 * Invariant: a slot is empty or has one task, whose id gives that slot.
 */
export class Slots<T extends { readonly id: number }> {
  size = 0
  readonly #tasks: Array<T | undefined>

  constructor(slots: number) {
    this.#tasks = Array.from({ length: slots }, () => undefined)
  }

  slotOf(id: number): number {
    return id % this.#tasks.length
  }

  /** The task in a slot. */
  at(slot: number): T | undefined {
    return this.#tasks[slot]
  }

  get(id: number): T | undefined {
    const task = this.at(this.slotOf(id))
    return task?.id === id ? task : undefined
  }

  /** The slot must be empty. */
  add(task: T): void {
    this.#tasks[this.slotOf(task.id)] = task
    this.size++
  }

  /** False if the task is not in a slot. */
  delete(task: T): boolean {
    const slot = this.slotOf(task.id)
    if (this.#tasks[slot] !== task) return false
    this.#tasks[slot] = undefined
    this.size--
    return true
  }
}
