/** An error that was raised from elsewhere and has crossed in its encoded form: a region decodes it by its Schema. */
export class EncodedError {
  readonly encoded: unknown

  constructor(encoded: unknown) {
    this.encoded = encoded
  }
}
