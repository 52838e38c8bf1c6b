/** The callers whose requests may be answered after the run. */
import { isGivenUp, type Outcome } from "../Outcome.ts"

/**
 * Whether code of the thread may go on after the run, or was ended by force: the thread was given up, or has not ended below
 * one that was.
 */
export const outlives = ({ threads }: Outcome, thread: string): boolean =>
  Array.from(threads.values()).some(
    ({ exit, name }) =>
      isGivenUp(exit) && (thread === name || (thread.startsWith(`${name}.`) && threads.get(thread)?.exit === undefined))
  )

/** The name of the thread that has made a request with this message. */
export const askerOf = (message: string): string => message.replace(/ asked$/, "")
