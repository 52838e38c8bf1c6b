/** The thread and the cancel scope of a fiber. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CancelReason } from "../CancelReason.ts"
import * as Escalation from "../Escalation.ts"
import * as AmbientReason from "./ambientReason.ts"
import * as Copies from "./copies.ts"
import { ThreadNode } from "./threadNode.ts"

interface Platform {
  readonly process?: {
    readonly getBuiltinModule?: (
      name: string
    ) => { readonly isMainThread: boolean; readonly threadId: number } | undefined
  }
}

/** The name of the root: `worker-<n>` in a worker of Node, by the id that Node gives to the worker, otherwise `main`. */
const rootName = (): string => {
  // Node's, or that of a runtime with the same interface.
  const threads = (globalThis as Platform).process?.getBuiltinModule?.("node:worker_threads")
  return threads === undefined || threads.isMainThread ? "main" : `worker-${threads.threadId}`
}

Copies.register(import.meta.url)

/** The root of the tree: the main thread, for code outside any spawned thread. It never ends, and accepts no request. */
export const root: ThreadNode = /* @__PURE__ */ new ThreadNode(
  undefined,
  /* @__PURE__ */ Context.get(/* @__PURE__ */ Context.empty(), Clock.Clock),
  Escalation.interrupt,
  /* @__PURE__ */ rootName()
)

/** The main thread ends only with its process. Each function that ends or joins a thread refuses the main thread before. */
root.controls = {
  exit: Effect.never,
  poll: () => undefined,
  requestStop: () => Effect.void,
  requestInterrupt: () => Effect.void,
  unwind: Option.none(),
  kill: Option.none(),
  locate: Effect.succeedNone,
  abandon: () => {}
}

/** The thread of a fiber. */
export const CurrentNode: Context.Reference<ThreadNode> = /* @__PURE__ */ Context.Reference<ThreadNode>(
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
export const CurrentCancelScope: Context.Reference<CancelScope | undefined> = /* @__PURE__ */ Context.Reference<
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
