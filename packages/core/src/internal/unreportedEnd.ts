/** The ends by force that no report tells of, because no caller has asked for one. Each is logged once. */
import * as Context from "effect/Context"
import * as Notice from "./notice.ts"
import * as OwnEnd from "./ownEnd.ts"
import type { ThreadNode } from "./threadNode.ts"

const logged: WeakSet<ThreadNode> = /* @__PURE__ */ new WeakSet()

/** Logs that the settled thread was killed or abandoned. Nothing for another end. */
export const log = (node: ThreadNode): void => {
  const { controls, name, state } = node
  if (state._tag !== "Settled" || logged.has(node)) return
  const end = state.abandoned
    ? "abandoned; it may still run"
    : OwnEnd.of(node)?._tag === "Killed"
      ? "killed"
      : undefined
  if (end === undefined || state.reason === undefined) return
  logged.add(node)
  const text = `Thread "${name}" did not end in time when it was asked to, and was ${end}. The reason of the request: ${state.reason.message}`
  Notice.logUnhandled(controls.context ?? Context.empty(), node, text)
}
