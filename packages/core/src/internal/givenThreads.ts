/**
 * The threads that users give to functions. A user without types may give something else, which is a defect that names the
 * function.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as CancelReason from "../CancelReason.ts"
import * as Argument from "./argument.ts"
import { CurrentNode, root } from "./currentThread.ts"
import * as Texts from "./errorTexts.ts"
import { readOr } from "./foreignValue.ts"
import * as Misuse from "./misuse.ts"
import { refused } from "./nodeSteps.ts"
import { withReason } from "./request.ts"
import { type Handle, isNode, nodeOf, type ThreadNode } from "./threadNode.ts"

const aThread = "a thread: the result of `yield* Thread.spawn(work)`"
const manyThreads = "a list of threads, such as [first, second]"

/** The node of a thread. Throws if the value is no thread, so an effect calls the function when it runs. */
export const nodeOfGiven = <A, E>(operation: string, thread: Handle<A, E>): ThreadNode<A, E> => {
  if (isNode(thread)) return nodeOf(thread)
  throw Argument.wrong(operation, thread, aThread)
}

/** A function with two forms: `f(thread, options)` and `f(options)(thread)`. The signatures say which of both is returned. */
export const ofThread =
  <Self extends Handle<unknown, unknown>, Options, A>(
    operation: string,
    f: (self: Self, options: Options | undefined) => Effect.Effect<A>
  ) =>
  (first?: Self | Options, options?: Options): never =>
    (isNode(first)
      ? f(first as Self, options)
      : Argument.curried(operation, aThread, first as Options | undefined, f)) as never

/** The same for a list of threads. */
export const ofThreads = <Self extends Handle<unknown, unknown>, Options>(
  operation: string,
  f: (threads: Iterable<Self>, options: Options | undefined) => Effect.Effect<void>
) => {
  const ofGiven = (threads: Iterable<Self>, options: Options | undefined): Effect.Effect<void> =>
    isList(threads) ? f(threads, options) : Argument.die(operation, threads, manyThreads)
  return (first?: Iterable<Self> | Options, options?: Options): never =>
    (isList(first)
      ? f(first as Iterable<Self>, options)
      : Argument.curried(operation, manyThreads, first as Options | undefined, ofGiven)) as never
}

const isList = (u: unknown): boolean => readOr(() => Predicate.isIterable(u) && typeof u !== "string", false)

/** Whether a value can be a list or a record of threads. */
export const areMany = (u: unknown): boolean => isList(u) || (typeof u === "object" && u !== null)

/** Starts a request to end a thread. */
export const request = <A>(
  self: Handle<unknown, unknown>,
  operation: string,
  reason: CancelReason.CancelReason,
  f: (node: ThreadNode, reason: CancelReason.CancelReason, current: ThreadNode, by: number) => Effect.Effect<A>
): Effect.Effect<A> =>
  withReason(reason, (stamped, current, by) => {
    const node = nodeOfGiven(operation, self)
    return node === root ? refused(operation) : f(node, stamped, current, by)
  })

/** A thread that waits for its own end, or anybody who waits for the end of the main thread, would wait for ever. */
export const waiting = <A, E, B, E2>(
  operation: string,
  self: Handle<A, E>,
  wait: (node: ThreadNode<A, E>) => Effect.Effect<B, E2>
): Effect.Effect<B, E2> =>
  Effect.withFiber((fiber): Effect.Effect<B, E2> => {
    const node = nodeOfGiven(operation, self)
    if (node === root) return refused("A join")
    return fiber.getRef(CurrentNode) === node
      ? Misuse.die({ _tag: "SelfJoin", thread: node.name }, Texts.selfJoin)
      : wait(node)
  })
