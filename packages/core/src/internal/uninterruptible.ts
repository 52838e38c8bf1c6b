/** Threads that a cancel can't end yet. */
import type { Thread } from "../Thread.ts"
import { isMasked } from "./effectInternals.ts"
import { nodeOf } from "./threadNode.ts"

/**
 * The names of the threads, of a thread and its descendants, whose bodies are in uninterruptible code now. Releases of the
 * leases of a thread come after its body and don't count.
 */
export const uninterruptibleIn = (thread: Thread<unknown, unknown>): ReadonlyArray<string> =>
  [...nodeOf(thread).withDescendants()]
    .filter(({ ownFiber, phase }) => phase === "body" && ownFiber !== undefined && isMasked(ownFiber))
    .map(({ name }) => name)
