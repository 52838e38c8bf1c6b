/**
 * The failures of threads that no code has received. Each is logged once, when no code should receive it any more: the
 * scope in which the thread was spawned closes, or nothing refers to the thread.
 *
 * A log at the death of a thread, or some time later, would name threads that are joined later. `Thread.joinAll` joins one
 * thread after another, and the last one may die first.
 *
 * Invariants:
 * 1. A failure is pending from the end of its thread until the failure is received or logged. Interruptions alone are no
 *    failure.
 * 2. A pending failure does not refer to its thread, because the thread would never be collected then.
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { CurrentNode } from "./currentThread.ts"
import { forkWithFinalizer } from "./effectInternals.ts"
import { interruptsOnly } from "./interruptions.ts"
import * as Notice from "./notice.ts"
import type { ThreadNode } from "./threadNode.ts"

class Pending {
  readonly id: number
  readonly name: string
  private readonly cause: Cause.Cause<unknown>
  private readonly context: Context.Context<never>
  /** A child of the scope whose close logs the failure. */
  private link: Scope.Closeable | undefined
  private isOver = false

  constructor(node: ThreadNode, cause: Cause.Cause<unknown>, context: Context.Context<never>) {
    this.id = node.id
    this.name = node.name
    this.cause = cause
    this.context = withoutThread(context, node)
  }

  linkTo(scope: Scope.Scope): void {
    this.link = forkWithFinalizer(scope, () => (this.end() ? this.message(Notice.unhandled) : Effect.void))
  }

  /** Logs the failure after the current step. */
  log(): void {
    if (this.end()) this.message(Notice.logUnhandled)
  }

  /** The failure is received or logged now. False if it was before. */
  end(): boolean {
    if (this.isOver) return false
    this.isOver = true
    collected.unregister(this)
    // The link leaves its scope at once.
    if (this.link !== undefined) Scope.closeUnsafe(this.link, Exit.void)
    return true
  }

  private message<A>(log: (...message: Parameters<typeof Notice.unhandled>) => A): A {
    return log(this.context, this, `Thread "${this.name}" has died, and no other thread has joined it`, this.cause)
  }
}

/** The context of a thread's fiber without the thread. A context that is derived from another one refers to it. */
const withoutThread = (context: Context.Context<never>, { parentNode }: ThreadNode): Context.Context<never> => {
  const services = new Map(context.mapUnsafe)
  services.delete(Scope.Scope.key)
  services.set(CurrentNode.key, parentNode)
  return Context.makeUnsafe(services)
}

/** The failures that can still be received from a thread or from its group; empty for a received failure. */
const pendingOf: WeakMap<object, Array<Pending>> = /* @__PURE__ */ new WeakMap()

const collected: FinalizationRegistry<Pending> = /* @__PURE__ */ new FinalizationRegistry((pending: Pending) =>
  pending.log()
)

/** Where a failure can be received: from the thread, and from the group that keeps the failure for its join. */
export interface Place {
  /** The scope whose close logs the failure; undefined for a scope that never closes. */
  readonly scope: Scope.Scope | undefined
  readonly group: object | undefined
}

/** The failure of a settled thread was not received. It is more than an interruption. `context` has the loggers. */
export const add = (
  node: ThreadNode,
  cause: Cause.Cause<unknown>,
  context: Context.Context<never>,
  { group, scope }: Place
): void => {
  // A waiter that the end of the thread has resumed may have received the failure in the same step.
  if (pendingOf.has(node)) return
  const pending = new Pending(node, cause, context)
  if (scope?.state._tag === "Closed") return pending.log()
  if (scope !== undefined) pending.linkTo(scope)
  keep(node, pending)
  // The scope refers to the group, which is therefore not collected before.
  if (group !== undefined) keep(group, pending)
  else collected.register(node, pending, pending)
}

const keep = (from: object, pending: Pending): void => {
  const all = pendingOf.get(from)
  if (all === undefined) pendingOf.set(from, [pending])
  else all.push(pending)
}

/** Code has received the failure of a thread, or the failures that a group keeps. */
export const received = (from: object, cause: Cause.Cause<unknown>): void => {
  if (interruptsOnly(cause)) return
  for (const pending of pendingOf.get(from) ?? []) pending.end()
  pendingOf.set(from, [])
}
