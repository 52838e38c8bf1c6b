/**
 * The tasks of a worker, each in its slot. An id names a task, and tells its slot.
 *
 * A map would do, but one whose entries come and go leaves a chain of old tables behind, which keeps what was in them
 * until a full collection.
 *
 * Invariants:
 * 1. A slot is empty or has one task, whose id gives that slot.
 * 2. An id is used again only after very many others.
 */
const ids = 2 ** 30

export class SlotTable<T extends { readonly id: number }> implements Iterable<T> {
  size = 0
  private readonly slots: Array<T | undefined>
  private turn = 0

  constructor(slots: number) {
    this.slots = Array.from({ length: slots }, () => undefined)
  }

  /** A new id for a task in a slot. */
  nextId(slot: number): number {
    const { length } = this.slots
    this.turn = (this.turn + 1) % Math.floor(ids / length)
    return this.turn * length + slot
  }

  get(id: number): T | undefined {
    const task = this.slots[id % this.slots.length]
    return task?.id === id ? task : undefined
  }

  /** The slot must be empty. */
  add(task: T): void {
    this.slots[task.id % this.slots.length] = task
    this.size++
  }

  /** False when it is not there. */
  delete(task: T): boolean {
    if (this.get(task.id) !== task) return false
    this.slots[task.id % this.slots.length] = undefined
    this.size--
    return true
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const task of this.slots) if (task !== undefined) yield task
  }
}
