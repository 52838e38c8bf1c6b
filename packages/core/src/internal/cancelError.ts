/** The error of a reason. This module loads nothing, so that a worker of plain functions can have it without Effect. */
/** A reason, as far as its error needs it. */
interface Reason {
  readonly _tag: string
  readonly message: string
}

/**
 * A reason as an `Error`: for `signal.reason`, for `StopToken.check`, which throws the error, and for `Abort.run`, which
 * rejects with it. The `name` is `AbortError`. The error has no stack, because the place of the throw says nothing.
 */
export class CancelError<out R extends Reason> extends Error {
  override readonly name: "AbortError" = "AbortError"
  /** The reason itself. */
  readonly reason: R
  constructor(reason: R) {
    super(reason.message, reason._tag === "Aborted" && "cause" in reason ? { cause: reason.cause } : undefined)
    this.reason = reason
  }
}

/** V8's switch for stacks. A stack costs more than the rest of the error. In other engines the switch has no effect. */
export const V8Error: { stackTraceLimit?: number | undefined; readonly prototype: Error } = Error

const errors = new WeakMap<Reason, CancelError<Reason>>()

/** Equal calls return the same error. */
export const toError = <R extends Reason>(self: R): CancelError<R> => {
  // The table has the error of this reason.
  let error = errors.get(self) as CancelError<R> | undefined
  if (error === undefined) {
    const limit = V8Error.stackTraceLimit
    V8Error.stackTraceLimit = 0
    error = new CancelError(self)
    V8Error.stackTraceLimit = limit
    errors.set(self, error)
  }
  return error
}
