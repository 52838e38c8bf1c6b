/**
 * The tasks of a worker, each in its slot, and the ids of the next ones.
 *
 * A Map is not used, because a Map whose entries come and go keeps its old tables, and the tasks in them, until a full
 * garbage collection.
 *
 * Invariant: an id is at least 1, because a claim of 0 stands for none, and is used again only after millions of others.
 */
import { Slots } from "./slots.ts"

const ids = 2 ** 30

export class SlotTable<T extends { readonly id: number }> extends Slots<T> implements Iterable<T> {
  private readonly slots: number
  /** Gives the next id. */
  turn: number

  /** `turn` is that of a table whose ids this table goes on from. */
  constructor(slots: number, turn = 0) {
    super(slots)
    this.slots = slots
    this.turn = turn
  }

  /** A new id for a task in a slot. */
  nextId(slot: number): number {
    this.turn = (this.turn % (Math.floor(ids / this.slots) - 1)) + 1
    return this.turn * this.slots + slot
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let slot = 0; slot < this.slots; slot++) {
      const task = this.at(slot)
      if (task !== undefined) yield task
    }
  }
}
