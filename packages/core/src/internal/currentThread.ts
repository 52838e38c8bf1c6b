/** The thread and the cancel scope of a fiber. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type { CancelReason } from "../CancelReason.ts"
import * as Escalation from "../Escalation.ts"
import * as AmbientReason from "./ambientReason.ts"
import { ThreadNode } from "./threadNode.ts"

/** The root of the tree, for code outside any thread. The root is no thread: the root never ends, and accepts no request. */
export const root: ThreadNode = new ThreadNode(
  undefined,
  Context.get(Context.empty(), Clock.Clock),
  Escalation.interrupt,
  "main"
)

/** The thread of a fiber. */
export const CurrentNode: Context.Reference<ThreadNode> = Context.Reference<ThreadNode>(
  "@quiesce/core/Thread/Current",
  {
    defaultValue: () => root
  }
)

/** A part of a thread's work with a cancel of its own. */
export interface CancelScope {
  readonly node: ThreadNode
  /** The first reason of a cancel, if there is one. */
  readonly reason: CancelReason | undefined
}

/** The innermost cancel scope around a fiber. Threads spawned inside are not part of the scope. */
export const CurrentCancelScope: Context.Reference<CancelScope | undefined> = Context.Reference<
  CancelScope | undefined
>("@quiesce/core/Thread/CurrentCancelScope", {
  defaultValue: () => undefined
})

AmbientReason.setSource((fiber) => {
  const node = fiber.getRef(CurrentNode)
  const scope = fiber.getRef(CurrentCancelScope)
  if (scope?.node === node && scope.reason !== undefined) return scope.reason
  return node.isCancelled ? node.reason : undefined
})
