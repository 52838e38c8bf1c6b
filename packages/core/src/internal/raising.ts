/** The work of `Thread.raise`: puts an error into the inbox of a thread, where the calls of `Thread.receive` find it. */
import * as Effect from "effect/Effect"
import { EncodedError } from "./encodedError.ts"
import { Inbox, type RaisedError } from "./inbox.ts"
import { noteStep, type ThreadNode } from "./threadNode.ts"

/** True when a handler has failed with the error, false when the thread has ended. The adapter knows how. */
export const raise = (
  node: ThreadNode,
  error: unknown,
  pending?: (withdraw: () => void) => void
): Effect.Effect<boolean> => {
  noteStep?.({ _tag: "Raised", node, error })
  return node.controls.raise?.(error, pending) ?? raiseHere(node, error, pending)
}

/** The same for a thread whose calls of `receive` run in this JavaScript thread. */
export const raiseHere = (
  node: ThreadNode,
  error: unknown,
  pending?: (withdraw: () => void) => void
): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const inbox = (node.inbox ??= new Inbox())
    if (!node.isAlive) inbox.close()
    const raised: RaisedError = {
      error,
      answer: (delivered) => resume(Effect.succeed(delivered)),
      decoded: new Map()
    }
    const reserved = error instanceof EncodedError ? error.reserved : undefined
    if (reserved !== undefined) raised.reserve = () => reserved(() => inbox.commit(raised))
    const withdraw = inbox.post(raised)
    pending?.(() => {
      if (withdraw()) raised.answer(false)
    })
    return Effect.sync(withdraw)
  })

/** Raises an error, and withdraws it after `millis` if no handler has claimed it. False if it was withdrawn. */
export const raiseWithin = (node: ThreadNode, error: unknown, millis: number): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    let withdraw: (() => void) | undefined
    const pending = (f: () => void): void => {
      withdraw = f
    }
    const raised = raise(node, error, pending)
    const withdrawn = Effect.andThen(
      Effect.sleep(millis),
      Effect.sync(() => withdraw?.())
    )
    // The withdrawal completes the raise.
    return Effect.raceFirst(raised, Effect.andThen(withdrawn, Effect.never))
  })
