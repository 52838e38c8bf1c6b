/**
 * The places in the code where leases are acquired, noted on request.
 *
 * The caller of `Lease.acquire` is on the stack when the effect is made, and no more when it runs.
 */
import type { LeaseEntry } from "./ledger.ts"

/** Called where the effect of an acquire is made, with the function whose caller is the place. */
type Tracker = (callee: (...args: Array<never>) => unknown) => (entry: LeaseEntry) => void

/** Undefined unless places are tracked. A program that tracks none has no code for it in its bundle. */
export let tracker: Tracker | undefined

const places = /* @__PURE__ */ new WeakMap<LeaseEntry, string>()

/** How many callers want places. */
let users = 0

/** Tracks places until the result is called. */
export const track = (): (() => void) => {
  users++
  tracker = note
  return () => {
    if (--users === 0) tracker = undefined
  }
}

export const of = (entry: LeaseEntry): string | undefined => places.get(entry)

const note: Tracker = (callee) => {
  const holder: { stack?: string } = {}
  // Only V8 has it.
  const { captureStackTrace } = Error as { captureStackTrace?: (holder: object, callee: unknown) => void }
  captureStackTrace?.(holder, callee)
  const place = holder.stack?.split("\n")[1]?.trim()
  return (entry) => {
    if (place !== undefined) places.set(entry, place)
  }
}
