/**
 * Ends deep trees on a bounded stack.
 *
 * The end of a thread interrupts its children in the same step, and the end of a child resumes its parent. On a deep chain
 * each of these steps would run inside the step before, until the stack overflows and the rest of the chain is never ended.
 * Beyond a bound a step therefore waits until the outermost step is over, still before any event.
 *
 * Invariants:
 * 1. A step that waits runs before the outermost step returns to its caller.
 * 2. Waiting steps run in the order in which they came, each even if another one throws.
 */

/** How many steps may run inside each other. A level of the tree takes up to three steps. */
const bound = 64

let depth = 0
let waiting: Array<() => void> = []

/** Whether a step may run now. The caller of a step that may run must call `leave` after it; otherwise `later`. */
export const enter = (): boolean => {
  if (depth >= bound) return false
  depth++
  return true
}

export const later = (step: () => void): void => {
  waiting.push(step)
}

export const leave = (): void => {
  if (depth === 1 && waiting.length > 0) runWaiting()
  depth--
}

/**
 * The number of steps that run inside each other now. Synchronous code that is ended by force never calls `leave` for its
 * own steps, so the watchdog restores the number from before the code.
 */
export const current = (): number => depth

export const restore = (before: number): void => {
  depth = before
}

/** Runs at depth 1, so that no step inside drains the queue, too. */
const runWaiting = (): void => {
  const errors: Array<unknown> = []
  while (waiting.length > 0) {
    const steps = waiting
    waiting = []
    for (const step of steps) {
      try {
        step()
      } catch (error) {
        errors.push(error)
      }
    }
  }
  if (errors.length === 0) return
  depth--
  throw errors.length === 1 ? errors[0] : new AggregateError(errors, "Steps of ending threads have failed")
}
