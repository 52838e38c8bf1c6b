/** Runs effects from callbacks, each as a child of one thread. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { RunOptions } from "../Abort.ts"
import * as CancelReason from "../CancelReason.ts"
import * as AbortListener from "./abortListener.ts"
import { signalIn } from "./abortSignals.ts"
import * as Argument from "./argument.ts"
import { CurrentNode } from "./currentThread.ts"
import * as DirectSpawn from "./directSpawn.ts"
import * as Ladder from "./ladder.ts"
import * as Rejection from "./rejection.ts"
import { received } from "./settlement.ts"
import type { ThreadNode } from "./threadNode.ts"

/** See `Thread.Runtime`. */
export type Runtime<R> = <A, E>(effect: Effect.Effect<A, E, R>, options?: RunOptions) => Promise<A>

/** The runtime of the fiber's thread, with the services of the fiber. */
export const of = <R>(fiber: Fiber.Fiber<unknown, unknown>): Runtime<R> => {
  const parent = fiber.getRef(CurrentNode)
  const spawn = DirectSpawn.below(parent, fiber.context)
  return <A, E>(effect: Effect.Effect<A, E, R>, options?: RunOptions): Promise<A> =>
    // The context of the fiber has the services.
    promiseOf("a Thread.runtime", options, () =>
      spawn<A, E>(
        () => Argument.effect("A Thread.runtime", effect as Effect.Effect<A, E>),
        fiber.context,
        `callback of ${parent.name}`
      )
    )
}

/** Spawns a thread, and settles with its exit. An abort of the signal interrupts the thread. */
export const promiseOf = <A, E>(
  operation: string,
  options: RunOptions | undefined,
  spawn: () => ThreadNode<A, E>
): Promise<A> =>
  new Promise((resolve, reject) => {
    // An error of this function rejects the Promise.
    const signal = signalIn(operation, options)
    if (signal?.aborted === true) return reject(signal.reason)
    const child = spawn()
    const disarm = signal === undefined ? undefined : AbortListener.of(signal).add(() => interrupt(child, signal))
    const exit = child.controls.poll()
    const settle = (ended: NonNullable<typeof exit>): void => {
      disarm?.()
      Rejection.settle(ended, signal, resolve, reject)
    }
    if (exit === undefined) child.onSettled(settle)
    else settle(received(child, exit))
  })

const interrupt = (child: ThreadNode, signal: AbortSignal): void => {
  const reason = { at: child.clock.currentTimeMillisUnsafe(), ...CancelReason.fromUnknown(signal.reason) }
  Effect.runFork(Ladder.interrupt(child, reason))
}
