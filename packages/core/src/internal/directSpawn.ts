/** Starts threads from outside of any fiber, such as when a message asks for a thread. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { FiberControls } from "./fiberThread.ts"
import { into, nearestAlive } from "./spawn.ts"
import type { ThreadNode } from "./threadNode.ts"

/** See `ThreadAdapter.SpawnBelow`. */
export type SpawnBelow = <A, E>(
  body: (node: ThreadNode<A, E>) => Effect.Effect<A, E>,
  context: Context.Context<never>,
  name: string
) => ThreadNode<A, E>

/** Spawns below `parent` and in its scope. `settings` has the clock and the escalation of the threads. */
export const below = (parent: ThreadNode, settings: Context.Context<never>): SpawnBelow => {
  const references = referencesIn(settings)
  const destination = { scope: parent.scope, scopeOfOrigin: parent.scope, parent, hasOwnLink: false }
  return <A, E>(
    body: (node: ThreadNode<A, E>) => Effect.Effect<A, E>,
    context: Context.Context<never>,
    name: string
  ): ThreadNode<A, E> => {
    const to = parent.isAlive ? destination : { ...destination, parent: nearestAlive(parent), abandoned: parent }
    const spawned = into<A, E>(references, to, { name }, (node) => run(node, body, context))
    // An exit is an effect, and its own result.
    return Effect.runSync(spawned)
  }
}

/** The references of a context, as a fiber gives them. */
export const referencesIn = (
  settings: Context.Context<never>
): { readonly getRef: <X>(reference: Context.Reference<X>) => X } => ({
  getRef: (reference) => Context.get(settings, reference)
})

/** Makes the controls of a node and runs its body up to the first wait. Must run uninterruptibly. */
export const run = <A, E>(
  node: ThreadNode<A, E>,
  body: (node: ThreadNode<A, E>) => Effect.Effect<A, E>,
  context: Context.Context<never>
): Effect.Effect<ThreadNode<A, E>> => {
  const controls = new FiberControls<A, E>(node)
  node.controls = controls
  node.parentNode?.adopt(node)
  controls.start(
    Effect.suspend(() => body(node)),
    context
  )
  return Exit.succeed(node)
}
