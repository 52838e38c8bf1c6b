/**
 * Sends messages in order, all messages of a turn in one array, because the cost of a post depends little on its size.
 *
 * Invariants:
 * 1. A message is posted in the turn of its `put`, before all later messages.
 * 2. A message with transfers is posted at once, after all messages before it.
 */
import type { Transferable } from "node:worker_threads"

/** A port, as far as an outbox needs it. */
export interface Target {
  readonly postMessage: (messages: unknown, transfers: Array<Transferable>) => void
}

export class Outbox<M> {
  readonly #target: Target
  protected queue: Array<M> = []
  protected scheduled = false

  constructor(target: Target) {
    this.#target = target
  }

  put(message: M, transfers?: ReadonlyArray<unknown>): void {
    if (transfers !== undefined) {
      this.flush()
      return this.#putAlone(message, transfers)
    }
    this.queue.push(message)
    if (this.scheduled) return
    this.scheduled = true
    queueMicrotask(this.flush)
  }

  /**
   * Throws the error of `postMessage` if the message can't be cloned. The message is then not sent, and no other
   * message is lost.
   */
  putNow(message: M, transfers: ReadonlyArray<unknown> = []): void {
    this.flush()
    // The platform checks the transfers, and throws.
    this.#target.postMessage([message], transfers as Array<Transferable>)
  }

  readonly flush = (): void => {
    this.scheduled = false
    if (this.queue.length === 0) return
    const queue = this.queue
    this.queue = []
    try {
      this.#target.postMessage(queue, [])
    } catch {
      // A message can't be cloned, so each is posted alone.
      for (const message of queue) this.#putAlone(message)
    }
  }

  /** Called with a message that can't be cloned, and with the thrown value. */
  onUnsendable: (message: M, cause: unknown) => void = () => {}

  #putAlone(message: M, transfers: ReadonlyArray<unknown> = []): void {
    try {
      // The platform checks the transfers, and throws.
      this.#target.postMessage([message], transfers as Array<Transferable>)
    } catch (cause) {
      this.onUnsendable(message, cause)
    }
  }
}
