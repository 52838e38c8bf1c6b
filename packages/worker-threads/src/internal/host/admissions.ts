/** The callers that wait for room in the queue of a pool, in order. */
import * as Effect from "effect/Effect"

export class Admissions {
  private readonly waiting: Set<() => void> = new Set()

  get size(): number {
    return this.waiting.size
  }

  /** Completes when the caller is admitted. Interrupting the effect removes the caller. */
  get next(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const admit = () => resume(Effect.void)
      this.waiting.add(admit)
      return Effect.sync(() => {
        this.waiting.delete(admit)
      })
    })
  }

  /** Admits callers as long as there is room. Each caller checks again whether there is room. */
  admit(room: number): void {
    for (const admit of Array.from(this.waiting).slice(0, Math.max(0, room))) {
      this.waiting.delete(admit)
      admit()
    }
  }
}
