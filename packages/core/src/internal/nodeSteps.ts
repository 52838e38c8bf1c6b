/** Steps that many operations on threads share. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { CurrentNode } from "./currentThread.ts"
import * as Texts from "./errorTexts.ts"
import * as Misuse from "./misuse.ts"
import { received } from "./settlement.ts"
import { onlyWaits, type ThreadNode } from "./threadNode.ts"

/** Runs an effect with the current thread. */
export const inside = <A, E, R>(f: (node: ThreadNode) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => f(fiber.getRef(CurrentNode)))

/** The main thread can't do that. */
export const refused = (operation: string): Effect.Effect<never> =>
  Misuse.die({ _tag: "MainThread", operation }, Texts.mainThread)

/** Waits until a node has settled. Each step of a wait counts, so `then` is called without a further Effect. */
export const settlement = <A, E, B, E2>(
  node: ThreadNode<A, E>,
  then: (exit: Exit.Exit<A, E>) => Effect.Effect<B, E2>
): Effect.Effect<B, E2> =>
  Effect.callback((resume) => {
    const exit = node.controls.poll()
    if (exit !== undefined) return resume(then(received(node, exit)))
    return Effect.sync(node.onSettled((late) => resume(then(late))))
  })

/** Waits until a node has settled, without its exit. */
export const end = (node: ThreadNode): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (!node.isAlive) return resume(Effect.void)
    const ended = (): typeof onlyWaits => {
      resume(Effect.void)
      return onlyWaits
    }
    return Effect.sync(node.onSettled(ended))
  })

/** The exit of a thread, if it comes in time. */
export const timedJoin = <A, E>(
  exit: Effect.Effect<Exit.Exit<A, E>>,
  millis: number
): Effect.Effect<Option.Option<A>, E> =>
  Effect.flatMap(Effect.timeoutOption(exit, millis), (within) =>
    Option.isNone(within) ? Effect.succeedNone : Effect.asSome(within.value)
  )
