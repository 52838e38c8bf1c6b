/** The reasons of interrupts. */
import * as CancelReason from "@quiesce/core/CancelReason"

/** As a class of a user, whose message is a getter. */
class Told {
  readonly _tag = "Interrupted"
  readonly #message: string
  constructor(message: string) {
    this.#message = message
  }
  get message(): string {
    return this.#message
  }
}

/** Values with which a foreign signal may abort. Some look like reasons, and some of their parts can't be sent. */
const foreign: ReadonlyArray<(message: string) => unknown> = [
  (message) => ({ _tag: "Interrupted", message }),
  (message) => ({ _tag: "TimedOut", message }),
  (message) => ({ _tag: "Interrupted", message, retry: () => {} }),
  (message) => new Error(message),
  (message) => new Told(message),
  (message) => ({ _tag: "Aborted", message })
]

/** A reason as the edge of a signal makes it. The message chooses the kind, so that a program has the same reasons in each run. */
export const reasonOf = (message: string): CancelReason.CancelReason => {
  let sum = 0
  for (let i = 0; i < message.length; i++) sum += message.charCodeAt(i)
  return { ...CancelReason.fromUnknown(foreign[sum % foreign.length]!(message)), message }
}
