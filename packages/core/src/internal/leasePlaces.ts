/**
 * The places in the code where leases are acquired, noted on request.
 *
 * The caller of `Lease.acquire` is on the stack when the effect is made, and no more when it runs.
 */
import * as Effect from "effect/Effect"
import * as Ledger from "./ledger.ts"
import { liveThread } from "./spawn.ts"

/** Called by the function whose caller is the place, with the effect of the acquire. */
type Tracker = <A, E, R>(acquired: Effect.Effect<A, E, R>, lease: { readonly name: string }) => Effect.Effect<A, E, R>

/** Undefined unless places are tracked. A program that tracks none has no code for it in its bundle. */
export let tracker: Tracker | undefined

const places = /* @__PURE__ */ new WeakMap<Ledger.LeaseEntry, string>()

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

export const of = (entry: Ledger.LeaseEntry): string | undefined => places.get(entry)

const note: Tracker = (acquired, { name }) => {
  const holder: { stack?: string } = {}
  // Only V8 has it.
  const { captureStackTrace } = Error as { captureStackTrace?: (holder: object, callee: unknown) => void }
  captureStackTrace?.(holder, note)
  const place = holder.stack?.split("\n")[2]?.trim()
  if (place === undefined) return acquired
  return Effect.tap(acquired, () =>
    Effect.withFiber((fiber) => {
      // The latest lease is the first.
      for (const entry of Ledger.held(liveThread(fiber))) {
        if (entry.name !== name || places.has(entry)) continue
        places.set(entry, place)
        break
      }
      return Effect.void
    })
  )
}
