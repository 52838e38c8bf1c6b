/** Puts a new thread into the tree and into its scope. In a closed scope the thread has ended before its body runs. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as CancelReason from "../CancelReason.ts"
import * as Escalation from "../Escalation.ts"
import { reasonOfExit } from "./exitReason.ts"
import * as FiberThread from "./fiberThread.ts"
import * as Texts from "./errorTexts.ts"
import { CurrentNode } from "./currentThread.ts"
import * as Misuse from "./misuse.ts"
import * as ScopeEnd from "./scopeEnd.ts"
import * as Steps from "./steps.ts"
import { ThreadNode } from "./threadNode.ts"

export interface Options {
  readonly name?: string | undefined
  readonly escalation?: Escalation.Escalation | undefined
  readonly startImmediately?: boolean | undefined
}

/** Puts a new node into the tree and starts its work. */
export type Start<A, E, E2 = never, R = never> = (node: ThreadNode<A, E>) => Effect.Effect<ThreadNode<A, E>, E2, R>

/** Spawns into the scope of the context. */
export const spawn = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options?: Options
): Effect.Effect<ThreadNode<A, E>, never, Exclude<R, Scope.Scope> | Scope.Scope> =>
  Effect.withFiber((fiber) => {
    // The type of the effect requires a scope. Without one, Effect dies with a clear message.
    const scope = Context.getUnsafe(fiber.context, Scope.Scope)
    const parent = liveThread(fiber)
    const current = fiber.getRef(CurrentNode)
    // The scope of an abandoned thread stays open, but takes no more threads.
    const abandoned = current !== parent && scope === current.scope ? current : undefined
    const destination = { scope, scopeOfOrigin: scope, parent, hasOwnLink: scope !== parent.scope, abandoned }
    return into(fiber, destination, options, (node) =>
      FiberThread.fork(node, effect, fiber, options?.startImmediately === true)
    )
  }) as Effect.Effect<ThreadNode<A, E>, never, Exclude<R, Scope.Scope> | Scope.Scope>

/** The thread of a fiber. If the thread has ended and the fiber still runs: the nearest live ancestor. */
export const liveThread = (fiber: Fiber.Fiber<unknown, unknown>): ThreadNode => nearestAlive(fiber.getRef(CurrentNode))

export const nearestAlive = (node: ThreadNode): ThreadNode => {
  let alive = node
  while (!alive.isAlive && alive.parentNode !== undefined) alive = alive.parentNode
  return alive
}

/** Where a new thread goes. */
export interface Destination {
  /** No thread starts in a closed scope. */
  readonly scope: Scope.Scope
  /** No thread starts if this is the scope of a cancelled parent. */
  readonly scopeOfOrigin: Scope.Scope
  /** The abandoned thread that the scope belongs to, in which no thread starts. */
  readonly abandoned?: ThreadNode | undefined
  readonly parent: ThreadNode
  /** Whether the thread needs a finalizer in `scope`. */
  readonly hasOwnLink: boolean
}

/** The source of a new thread's settings. */
type References = Pick<Fiber.Fiber<unknown, unknown>, "getRef">

/** Makes a node and starts its thread. Must run uninterruptibly if `start` takes more than one step. */
export const into = <A, E, E2 = never, R = never>(
  references: References,
  destination: Destination,
  options: Options | undefined,
  start: Start<A, E, E2, R>
): Effect.Effect<ThreadNode<A, E>, E2, R> => {
  const { hasOwnLink, parent, scope } = destination
  const escalation = options?.escalation ?? references.getRef(Escalation.Current)
  const steps = Steps.of(escalation)
  if (typeof steps === "string")
    return Misuse.die({ _tag: "InvalidEscalation", problem: steps }, Texts.invalidEscalation)
  const node = new ThreadNode<A, E>(parent, references.getRef(Clock.Clock), escalation, options?.name)
  const ended = reasonOfNoStart(node, destination)
  if (ended !== undefined) return endedBeforeStart(node, ended)
  if (parent.state._tag === "Stopping") node.beginStop(parent.state.reason)
  if (hasOwnLink) ScopeEnd.link(node, scope)
  return start(node)
}

/** The reason for which a thread has ended before its body can run. */
const reasonOfNoStart = (
  node: ThreadNode,
  { abandoned, parent, scope, scopeOfOrigin }: Destination
): CancelReason.CancelReason | undefined => {
  if (scope.state._tag === "Closed") {
    return reasonOfExit(scope.state.exit) ?? closed(node, parent.name)
  }
  if (abandoned !== undefined) return abandoned.reason ?? closed(node, abandoned.name)
  return scopeOfOrigin === parent.scope && parent.state._tag === "Cancelled" ? parent.state.reason : undefined
}

const closed = (node: ThreadNode, parent: string): CancelReason.CancelReason => ({
  ...CancelReason.parentEnded(parent, { message: "Its scope has closed" }),
  by: parent,
  at: node.spawnedAt
})

/** The thread ends before its body runs. */
export const endedBeforeStart = <A, E>(
  node: ThreadNode<A, E>,
  reason: CancelReason.CancelReason
): Effect.Effect<ThreadNode<A, E>> =>
  Effect.sync(() => {
    const controls = new FiberThread.FiberControls<A, E>(node)
    node.controls = controls
    node.parentNode?.adopt(node)
    node.beginCancel("interrupt", reason)
    controls.settle(Exit.failCause(CancelReason.toCause(reason)), false)
    return node
  })
