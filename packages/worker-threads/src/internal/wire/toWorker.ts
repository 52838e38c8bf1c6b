/** Checks the messages that a worker receives. */
import { anything, boolean, type Check, exit, integer, items, oneOf, string, stringOrNull } from "./check.ts"
import { maxItems, type ToWorker } from "./message.ts"
import { isTrace } from "./trace.ts"

/** The messages in a received value; undefined if any of them is not of the protocol. */
export type Decode = (u: unknown) => ReadonlyArray<ToWorker> | undefined

/** `trace` checks the traces of starts. A worker that makes no spans accepts any. */
export const decoder = (trace: Check): Decode => {
  const toWorker = items(
    maxItems,
    oneOf<ToWorker>({
      Start: { id: integer, slot: integer, task: string, name: string, payload: anything, trace },
      Stop: { id: integer, reason: anything },
      Interrupt: { ids: items(maxItems, integer), reason: anything },
      Raise: { id: integer, raise: integer, error: anything },
      Commit: { raise: integer },
      Withdraw: { raise: integer },
      Pull: { id: integer, count: integer },
      Acquired: { id: integer, lease: integer, exit },
      Refused: { id: integer, lease: integer, problem: string, unknown: boolean },
      Released: { id: integer, lease: integer, problem: stringOrNull },
      Unwound: { run: integer },
      Repair: { id: integer },
      Close: {}
    })
  )
  // Each element has passed the check of its tag.
  return (u) => (toWorker(u) ? (u as ReadonlyArray<ToWorker>) : undefined)
}

export const decodeToWorker: Decode = /* @__PURE__ */ decoder((u) => u === null || isTrace(u))
