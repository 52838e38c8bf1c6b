/**
 * The reports of one call of a plain function. A worker loads this module with its first call that reports: see
 * `onDemand.ts`.
 */

/** The token of the call. */
interface Token {
  readonly interrupted: boolean
  readonly check: () => void
}

export class Reporter {
  readonly #token: Token
  readonly #send: (value: unknown) => void
  /** How many reports the host accepts, and the reports that wait to be accepted. */
  #credits: number
  #waiting: Array<(error: Error | undefined) => void> = []
  #isClosed = false
  /** Set when the function has returned. */
  #idle: (() => void) | undefined

  /** `send` throws if the value can't be cloned. */
  constructor(credits: number, token: Token, send: (value: unknown) => void) {
    this.#token = token
    this.#credits = credits
    this.#send = send
  }

  /** The host accepts more reports. */
  pull(count: number): void {
    this.#credits += count
    while (this.#credits > 0) {
      const next = this.#waiting.shift()
      if (next === undefined) break
      this.#credits--
      next(undefined)
    }
    this.#notifyIdle()
  }

  #notifyIdle(): void {
    // The last report is sent in a job of its own, which comes first.
    if (this.#idle !== undefined && this.#waiting.length === 0) queueMicrotask(this.#idle)
  }

  /** Calls `f` when no report waits any more. False if none waits now. */
  whenIdle(f: () => void): boolean {
    this.#idle = f
    return this.#waiting.length > 0
  }

  /** Ends the reports that wait, with an error or without. */
  settle(error: Error | undefined): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const settle of waiting) settle(error)
    this.#notifyIdle()
  }

  /** The call has ended. */
  close(): void {
    this.#isClosed = true
    this.settle(undefined)
  }

  /**
   * A function need not wait for its reports. Without a handler, a report that is rejected because of an abort would end the
   * worker.
   */
  readonly report = (value: unknown): Promise<void> => {
    const given = new Promise<void>((resolve, reject) => {
      this.#report(value).then(resolve, (error: unknown) => {
        if (this.#token.interrupted) given.catch(() => {})
        reject(error)
      })
    })
    return given
  }

  async #report(value: unknown): Promise<void> {
    if (this.#isClosed) return
    // A loop over reports ends with an abort.
    this.#token.check()
    if (this.#credits > 0) this.#credits--
    else {
      const error = await new Promise<Error | undefined>((resolve) => this.#waiting.push(resolve))
      // Nobody waits for the reports of a function that has returned.
      if (this.#isClosed || (error !== undefined && this.#idle !== undefined)) return
      if (error !== undefined) throw error
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
