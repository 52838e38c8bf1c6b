/** The work of `Thread.raise`: puts an error into the inbox of a thread, where the calls of `Thread.receive` find it. */
import * as Effect from "effect/Effect"
import { EncodedError } from "./encodedError.ts"
import { Inbox, type RaisedError } from "./inbox.ts"
import type { ThreadNode } from "./threadNode.ts"

/** True when a handler has failed with the error, false when the thread has ended. */
export const raise = (node: ThreadNode, error: unknown): Effect.Effect<boolean> =>
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
    return Effect.sync(inbox.post(raised))
  })
