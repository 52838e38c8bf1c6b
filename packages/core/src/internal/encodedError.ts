/**
 * An error in its encoded form, raised from another thread of control. A handler decodes the error by its Schema.
 *
 * The raiser may withdraw the error until its own thread has committed the error. A handler that accepts the error is
 * therefore first reserved for it, and ended by the commit.
 */
export class EncodedError {
  readonly _tag: "EncodedError" = "EncodedError"
  readonly encoded: unknown
  /** Called when a handler is reserved. `commit` may be called at any later time. */
  readonly reserved: ((commit: () => void) => void) | undefined

  constructor(encoded: unknown, reserved: ((commit: () => void) => void) | undefined) {
    this.encoded = encoded
    this.reserved = reserved
  }
}
