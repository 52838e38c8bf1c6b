/**
 * The errors raised into a thread, and the handlers in the thread that accept such errors (`Thread.receive`).
 *
 * Invariants:
 * 1. A raised error waits, or is claimed by exactly one handler, or was refused because the thread ended. A claimed error
 *    waits again only if its handler was interrupted as a whole before the handler could fail with the error.
 * 2. A handler claims at most one error. While a claiming handler unwinds, further acceptable errors wait until
 *    the handler has left.
 * 3. Waiting errors are offered in the order of their raising, each to the innermost accepting handler.
 * 4. An error with `reserve` reserves a handler, which claims the error when the raiser has committed it. If the error is
 *    withdrawn or the handler leaves before, the reservation ends. An error is committed once, for whichever handler.
 */
import type * as Option from "effect/Option"

export interface RaisedError {
  readonly error: unknown
  /**
   * Called with `true` when the claiming handler has failed with the error, with `false` when the thread has ended. The
   * first call counts.
   */
  readonly answer: (delivered: boolean) => void
  /** Called when a handler is reserved. Undefined if the error needs no commit, or has been committed. */
  reserve?: (() => void) | undefined
  /** The error as decoded by the Schemas of the handlers that have looked at it. */
  readonly decoded: Map<object, Option.Option<unknown>>
}

/** The share of a handler in an error: none, a reservation, or the error itself. */
export type Hold =
  | { readonly _tag: "Nothing" }
  | { readonly _tag: "Reserved"; readonly raised: RaisedError }
  | { readonly _tag: "Claimed"; readonly raised: RaisedError }

export const nothing: Hold = { _tag: "Nothing" }

export interface RaiseHandler {
  readonly accepts: (raised: RaisedError) => boolean
  /** Ends the handler's work. Called once, when the handler claims an error. */
  readonly interrupt: () => void
  hold: Hold
}

export class Inbox {
  /** The innermost handler is last. */
  private readonly handlers: Array<RaiseHandler> = []
  private waiting: Array<RaisedError> = []
  private closed = false

  /** Raises an error. The result withdraws the error while no handler has claimed it, and says whether it did. */
  post(raised: RaisedError): () => boolean {
    if (this.closed) {
      raised.answer(false)
      return () => false
    }
    this.waiting.push(raised)
    this.deliver()
    return () => this.withdraw(raised)
  }

  /** The raiser can't withdraw the error any more. */
  commit(raised: RaisedError): void {
    raised.reserve = undefined
    const handler = this.reservedFor(raised)
    if (handler === undefined) return
    handler.hold = { _tag: "Claimed", raised }
    handler.interrupt()
  }

  enter(handler: RaiseHandler): void {
    this.handlers.push(handler)
    this.deliver()
  }

  /** `interruptedAsWhole`: the fiber around the handler was interrupted before the handler's work ended. */
  leave(handler: RaiseHandler, interruptedAsWhole: boolean): void {
    this.handlers.splice(this.handlers.lastIndexOf(handler), 1)
    const { hold } = handler
    if (hold._tag === "Reserved" || (hold._tag === "Claimed" && interruptedAsWhole)) this.waiting.unshift(hold.raised)
    if (hold._tag === "Reserved") handler.hold = nothing
    this.deliver()
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    const waiting = this.waiting
    this.waiting = []
    for (const raised of waiting) raised.answer(false)
    // Only an abandoned thread still has handlers here.
    for (const { hold } of this.handlers) if (hold._tag !== "Nothing") hold.raised.answer(false)
  }

  private withdraw(raised: RaisedError): boolean {
    const index = this.waiting.indexOf(raised)
    if (index >= 0) this.waiting.splice(index, 1)
    const handler = this.reservedFor(raised)
    if (handler === undefined) return index >= 0
    handler.hold = nothing
    this.deliver()
    return true
  }

  private reservedFor(raised: RaisedError): RaiseHandler | undefined {
    return this.handlers.find(({ hold }) => hold._tag === "Reserved" && hold.raised === raised)
  }

  private deliver(): void {
    let free = this.handlers.filter(({ hold }) => hold._tag === "Nothing").length
    const found: Array<RaiseHandler> = []
    for (let index = 0; free > 0 && index < this.waiting.length;) {
      const raised = this.waiting[index]!
      const handler = this.handlers.findLast((candidate) => candidate.accepts(raised))
      if (handler?.hold._tag !== "Nothing") {
        index++
        continue
      }
      handler.hold = { _tag: raised.reserve === undefined ? "Claimed" : "Reserved", raised }
      this.waiting.splice(index, 1)
      found.push(handler)
      free--
    }
    // An interrupt runs finalizers synchronously. A finalizer may call `post`, `enter` and `leave`.
    for (const handler of found) {
      if (handler.hold._tag === "Claimed") handler.interrupt()
      else if (handler.hold._tag === "Reserved") handler.hold.raised.reserve?.()
    }
  }
}
