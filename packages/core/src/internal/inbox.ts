/**
 * The errors raised into a thread, and the handlers in the thread that accept such errors (`Thread.receive`).
 *
 * Invariants:
 * 1. A raised error waits, or is claimed by exactly one handler, or was refused because the thread ended. A claimed error
 *    waits again only if its handler was interrupted as a whole before the handler could fail with the error.
 * 2. A handler claims at most one error. While a claiming handler unwinds, further acceptable errors wait until
 *    the handler has left.
 * 3. Waiting errors are offered in the order of their raising, each to the innermost accepting handler.
 */
export interface RaisedError {
  readonly error: unknown
  /** Called with `true` when the claiming handler has failed with the error, with `false` when the thread has ended. The first call counts. */
  readonly answer: (delivered: boolean) => void
}

export interface RaiseHandler {
  readonly accepts: (error: unknown) => boolean
  /** Ends the handler's work. Called once, when the handler claims an error. */
  readonly interrupt: () => void
  claimed: RaisedError | undefined
}

export class Inbox {
  /** The innermost handler is last. */
  private readonly handlers: Array<RaiseHandler> = []
  private waiting: Array<RaisedError> = []
  private closed = false

  /** Raises an error. The result withdraws the error while it still waits. */
  post(raised: RaisedError): () => void {
    if (this.closed) {
      raised.answer(false)
      return () => {}
    }
    this.waiting.push(raised)
    this.deliver()
    return () => {
      this.waiting = this.waiting.filter((other) => other !== raised)
    }
  }

  enter(handler: RaiseHandler): void {
    this.handlers.push(handler)
    this.deliver()
  }

  /** `interruptedAsWhole`: the fiber around the handler was interrupted before the handler's work ended. */
  leave(handler: RaiseHandler, interruptedAsWhole: boolean): void {
    this.handlers.splice(this.handlers.lastIndexOf(handler), 1)
    if (interruptedAsWhole && handler.claimed !== undefined) this.waiting.unshift(handler.claimed)
    this.deliver()
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    const waiting = this.waiting
    this.waiting = []
    for (const raised of waiting) raised.answer(false)
    // Only an abandoned thread still has handlers here.
    for (const handler of this.handlers) handler.claimed?.answer(false)
  }

  private deliver(): void {
    if (this.waiting.length === 0) return
    const unclaimed: Array<RaisedError> = []
    const claims: Array<RaiseHandler> = []
    for (const raised of this.waiting) {
      const handler = this.handlers.findLast((candidate) => candidate.accepts(raised.error))
      if (handler === undefined || handler.claimed !== undefined) {
        unclaimed.push(raised)
      } else {
        handler.claimed = raised
        claims.push(handler)
      }
    }
    this.waiting = unclaimed
    // An interrupt runs finalizers synchronously. A finalizer may call `post`, `enter` and `leave`.
    for (const handler of claims) handler.interrupt()
  }
}
