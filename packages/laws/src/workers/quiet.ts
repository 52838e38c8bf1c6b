/** Turns of the event loop. */

/** The number of turns until earlier messages of another thread, and their consequences, have arrived. */
const turns = 3

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Waits until all messages to this thread have arrived. */
export const quiet = async (): Promise<void> => {
  // Each turn follows the turn before.
  for (let i = 0; i < turns; i++) await turn()
}
