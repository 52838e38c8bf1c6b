/** The ends by force that no report tells of, because no caller has asked for one. Each is logged once. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as CancelReason from "../CancelReason.ts"
import * as Climb from "./climb.ts"
import * as Notice from "./notice.ts"
import * as OwnEnd from "./ownEnd.ts"
import type { ThreadNode } from "./threadNode.ts"

/** The threads whose ends were logged, or are in the report of a shutdown. */
const known: WeakSet<ThreadNode> = /* @__PURE__ */ new WeakSet()

/** The end of the thread is in the report of a shutdown. */
export const reported = (node: ThreadNode): void => void known.add(node)

/** Ends a thread by its escalation. No report tells of an end by force, so a message in the log does. */
export const end = (node: ThreadNode, reason: CancelReason.CancelReason): Effect.Effect<void> =>
  Effect.suspend(() =>
    // An abandoned thread has to end once more when its pool closes. Its end was logged or reported before.
    node.isAlive ? Effect.map(Climb.endAll([node], reason), () => log(node)) : Effect.void
  )

/** Logs that the settled thread was killed or abandoned. Nothing for another end. */
export const log = (node: ThreadNode): void => {
  const { controls, name, state } = node
  if (state._tag !== "Settled" || known.has(node) || isBeingReported(node)) return
  const end = state.abandoned
    ? "abandoned; it may still run"
    : OwnEnd.of(node)?._tag === "Killed"
      ? "killed"
      : undefined
  if (end === undefined || state.reason === undefined) return
  known.add(node)
  const text = `Thread "${name}" did not end in time when it was asked to, and was ${end}. The reason of the request: ${state.reason.message}`
  Notice.logUnhandled(controls.context ?? Context.empty(), node, text)
}

/**
 * Whether a shutdown of the thread itself, or of its group, runs now and will report the end. The report of an ancestor does
 * not name the ends of the threads below.
 */
const isBeingReported = ({ group, ledgerObservers = [] }: ThreadNode): boolean =>
  [...ledgerObservers, ...(group?.ledgerObservers ?? [])].some(({ reportsLosses }) => reportsLosses === true)
