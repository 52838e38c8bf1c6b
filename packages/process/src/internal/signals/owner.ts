/**
 * The one program that handles the signals of the process.
 *
 * Invariant: there is one owner at most, also with several copies of this module in the process.
 */
import { isMainThread } from "node:worker_threads"
import * as ProcessError from "../../ProcessError.ts"

interface Slot {
  owner: string | undefined
}

const key = Symbol.for("@quiesce/process/owner")

const slotOf = (holder: { [key]?: Slot }): Slot => (holder[key] ??= { owner: undefined })

/** Makes `owner` the owner of the signals, and gives the function that ends this. Throws if there is another owner. */
export const claim = (operation: string, owner: string): (() => void) => {
  if (!isMainThread) throw ProcessError.make({ _tag: "InWorker", operation })
  // Nobody else uses the key.
  const slot = slotOf(globalThis as { [key]?: Slot })
  if (slot.owner !== undefined) throw ProcessError.make({ _tag: "AlreadyRunning", operation, running: slot.owner })
  slot.owner = owner
  return () => {
    slot.owner = undefined
  }
}
