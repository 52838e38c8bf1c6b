/** Starts threads from outside of any fiber, such as when a message asks for a thread. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ThreadError from "../ThreadError.ts"
import { FiberControls } from "./fiberThread.ts"
import { into } from "./spawn.ts"
import type { ThreadNode } from "./threadNode.ts"

/** See `ThreadAdapter.SpawnBelow`. */
export type SpawnBelow = <A, E>(
  body: (node: ThreadNode<A, E>) => Effect.Effect<A, E>,
  context: Context.Context<never>,
  name: string
) => Exit.Exit<ThreadNode<A, E>, ThreadError.ThreadError>

/** Spawns below `parent` and in its scope. `settings` has the clock and the escalation of the threads. */
export const below = (parent: ThreadNode, settings: Context.Context<never>): SpawnBelow => {
  const references = { getRef: <X>(reference: Context.Reference<X>): X => Context.get(settings, reference) }
  const destination = { scope: parent.scope, scopeOfOrigin: parent.scope, parent, hasOwnLink: false }
  return <A, E>(
    body: (node: ThreadNode<A, E>) => Effect.Effect<A, E>,
    context: Context.Context<never>,
    name: string
  ): Exit.Exit<ThreadNode<A, E>, ThreadError.ThreadError> => {
    if (!parent.isAlive) return Exit.fail(ThreadError.make({ _tag: "ScopeClosed", thread: name }))
    const spawned = into<A, E>(references, destination, { name }, (node) => run(node, body, context))
    // An exit is an effect, and its own result.
    if (Exit.isExit(spawned)) return spawned as Exit.Exit<ThreadNode<A, E>, ThreadError.ThreadError>
    return Effect.runSyncExit(spawned)
  }
}

const run = <A, E>(
  node: ThreadNode<A, E>,
  body: (node: ThreadNode<A, E>) => Effect.Effect<A, E>,
  context: Context.Context<never>
): Effect.Effect<ThreadNode<A, E>> => {
  const controls = new FiberControls<A, E>(node)
  node.controls = controls
  node.parentNode?.adopt(node)
  const effect = Effect.suspend(() => body(node))
  const fiber = Effect.runForkWith(context)(controls.body(effect, context))
  // The fiber may not have reached its body yet.
  if (node.isAlive) controls.attach(fiber)
  return Exit.succeed(node)
}
