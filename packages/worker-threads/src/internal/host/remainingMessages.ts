/** The messages that a worker has sent before its end and that are still in the port. */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads"

/** Leaves out messages that can't be read, because they are nested too deep for example, and calls `onUnreadable`. */
export function* remainingMessages(port: MessagePort, onUnreadable: () => void): Generator<unknown> {
  for (;;) {
    const next = receive(port, onUnreadable)
    if (next === undefined) return
    if (next !== unreadable) yield next.message
  }
}

const unreadable = Symbol("unreadable")

/** An unreadable message is taken from the port, too. */
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
