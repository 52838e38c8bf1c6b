/**
 * The priorities in use, as a heap with the highest on top. A priority is added or removed in a number of steps that is
 * the logarithm of the number of priorities.
 */
export interface Level {
  readonly priority: number
  /** The index in the heap. */
  place: number
}

export class Levels<L extends Level> {
  private readonly heap: Array<L> = []

  get highest(): L | undefined {
    return this.heap[0]
  }

  /** All levels, the highest first. */
  get all(): ReadonlyArray<L> {
    return this.heap.toSorted((one, other) => other.priority - one.priority)
  }

  add(level: L): void {
    this.rise(level, this.heap.length)
  }

  /** The level must be in the heap. */
  remove(level: L): void {
    const last = this.heap.pop()!
    if (last === level) return
    this.rise(last, level.place)
    this.sink(last)
  }

  private put(level: L, place: number): void {
    this.heap[place] = level
    level.place = place
  }

  private rise(level: L, from: number): void {
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = this.heap[above]!
      if (parent.priority >= level.priority) break
      this.put(parent, place)
      place = above
    }
    this.put(level, place)
  }

  private sink(level: L): void {
    let { place } = level
    for (;;) {
      const left = this.heap[2 * place + 1]
      const right = this.heap[2 * place + 2]
      const higher = right !== undefined && right.priority > left!.priority ? right : left
      if (higher === undefined || higher.priority <= level.priority) break
      const next = higher.place
      this.put(higher, place)
      place = next
    }
    this.put(level, place)
  }
}
