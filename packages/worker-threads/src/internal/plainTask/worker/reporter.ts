/**
 * The reports of one call of a plain function. A worker loads this module with its first call that reports: see
 * `onDemand.ts`.
 */

export class Reporter {
  readonly #send: (value: unknown) => void
  /** How many reports the host accepts, and the reports that wait to be accepted. */
  #credits: number
  #waiting: Array<(error: Error | undefined) => void> = []
  #isClosed = false

  /** `send` throws if the value can't be cloned. */
  constructor(credits: number, send: (value: unknown) => void) {
    this.#credits = credits
    this.#send = send
  }

  /** The host accepts more reports. */
  pull(count: number): void {
    this.#credits += count
    while (this.#credits > 0) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#credits--
      next(undefined)
    }
  }

  /** Ends the reports that wait, with an error or without. */
  settle(error: Error | undefined): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const settle of waiting) settle(error)
  }

  /** The call has ended. */
  close(): void {
    this.#isClosed = true
    this.settle(undefined)
  }

  async report(value: unknown): Promise<void> {
    if (this.#isClosed) return
    if (this.#credits > 0) this.#credits--
    else {
      const error = await new Promise<Error | undefined>((resolve) => this.#waiting.push(resolve))
      if (error !== undefined) throw error
      if (this.#isClosed) return
    }
    try {
      this.#send(value)
    } catch (error) {
      // The host still accepts as many reports as before.
      this.pull(1)
      throw error
    }
  }
}
