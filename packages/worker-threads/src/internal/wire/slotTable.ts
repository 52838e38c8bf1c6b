/**
 * The tasks of a worker, each in its slot. The id of a task gives its slot.
 *
 * A Map is not used, because a Map whose entries come and go keeps its old tables, and the tasks in them, until a full
 * garbage collection.
 *
 * Invariants:
 * 1. A slot is empty or has one task, whose id gives that slot.
 * 2. An id is used again only after millions of others.
 */
const ids = 2 ** 30

export class SlotTable<T extends { readonly id: number }> implements Iterable<T> {
  size = 0
  readonly #slots: Array<T | undefined>
  /** Gives the next id. */
  turn: number

  /** `turn` is that of a table whose ids this table goes on from. */
  constructor(slots: number, turn = 0) {
    this.#slots = Array.from({ length: slots }, () => undefined)
    this.turn = turn
  }

  /** A new id for a task in a slot. */
  nextId(slot: number): number {
    const { length } = this.#slots
    this.turn = (this.turn + 1) % Math.floor(ids / length)
    return this.turn * length + slot
  }

  get(id: number): T | undefined {
    const task = this.#slots[id % this.#slots.length]
    return task?.id === id ? task : undefined
  }

  /** The slot must be empty. */
  add(task: T): void {
    this.#slots[task.id % this.#slots.length] = task
    this.size++
  }

  /** False if the task is not in the table. */
  delete(task: T): boolean {
    if (this.get(task.id) !== task) return false
    this.#slots[task.id % this.#slots.length] = undefined
    this.size--
    return true
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const task of this.#slots) if (task !== undefined) yield task
  }
}
