/** The messages that a worker has sent before its end and that are still in the port. */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads"

/**
 * Ends at the first message that can't be read, because it is nested too deep for example, and calls `onUnreadable`. Nothing
 * that comes after such a message counts, and a port that can never be read must not be read for ever.
 */
export function* remainingMessages(port: MessagePort, onUnreadable: () => void): Generator<unknown> {
  for (;;) {
    const next = receive(port, onUnreadable)
    if (next === undefined || next === unreadable) return
    yield next.message
  }
}

const unreadable = Symbol("unreadable")

const receive = (
  port: MessagePort,
  onUnreadable: () => void
): { readonly message: unknown } | typeof unreadable | undefined => {
  try {
    return receiveMessageOnPort(port)
  } catch {
    onUnreadable()
    return unreadable
  }
}
