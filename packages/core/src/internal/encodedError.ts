/** An error in its encoded form, raised from another thread of control. A handler decodes the error by its Schema. */
export class EncodedError {
  readonly encoded: unknown

  constructor(encoded: unknown) {
    this.encoded = encoded
  }
}
