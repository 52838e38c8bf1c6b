/** Turns of the event loop. */

/** How many turns it takes until what another thread had sent before has arrived, and what that led to. */
const turns = 3

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Waits until what was under way to this thread has arrived. */
export const quiet = async (): Promise<void> => {
  // Each follows the one before.
  for (let i = 0; i < turns; i++) await turn()
}
