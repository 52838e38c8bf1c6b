/**
 * Sends messages in order, all of one turn in one array: the cost of a post is mostly per post, not per message.
 *
 * Invariants:
 * 1. What was put in before the end of a turn is posted in it, before anything that follows.
 * 2. A message with transfers, or one that must not wait for the turn to end, flushes at once.
 */
import type { MessagePort, Transferable } from "node:worker_threads"
import { messageOf } from "./errorText.ts"

export class Outbox<M> {
  private readonly target: MessagePort
  private queue: Array<M> = []
  private scheduled = false

  constructor(target: MessagePort) {
    this.target = target
  }

  put(message: M): void {
    this.queue.push(message)
    if (this.scheduled) return
    this.scheduled = true
    queueMicrotask(this.flush)
  }

  /** Throws what `postMessage` throws when the message can't be cloned; then it is not sent, and nothing else is lost. */
  putNow(message: M, transfers: ReadonlyArray<unknown> = []): void {
    this.flush()
    // The platform checks what is transferable, and throws.
    this.target.postMessage([message], transfers as Array<Transferable>)
  }

  readonly flush = (): void => {
    this.scheduled = false
    if (this.queue.length === 0) return
    const queue = this.queue
    this.queue = []
    try {
      this.target.postMessage(queue)
    } catch {
      // One of them can't be cloned: the others must not suffer.
      for (const message of queue) this.putAlone(message)
    }
  }

  /** Told of a message that can't be cloned. */
  onUnsendable: (message: M, problem: string) => void = () => {}

  private putAlone(message: M): void {
    try {
      this.target.postMessage([message])
    } catch (cause) {
      this.onUnsendable(message, messageOf(cause))
    }
  }
}
