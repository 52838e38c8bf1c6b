/**
 * The token of a plain function: `StopToken` of core without Effect.
 *
 * The flags are in shared memory and change while the function runs. The reason comes as a message, so the token shows a
 * passing reason until the message has been taken.
 */
import { toError } from "@quiesce/core/internal/plain"
import type * as CancelReason from "@quiesce/core/CancelReason"
import type * as StopToken from "@quiesce/core/StopToken"
import type { SharedFlags } from "../../worker/sharedFlags.ts"

/** How many checks pass between two looks at the flags. The host sets the counter to 0 with each request. */
const stride = 4095
/** The same with a deadline, of which nobody gives notice. */
const strideOfDeadline = 63

/** `given` is the reason that has arrived. */
interface Call {
  readonly given: CancelReason.CancelReason | undefined
}

type Flags = Pick<SharedFlags, "stopRequested" | "interrupted">

export class PlainToken implements StopToken.StopToken {
  #flags: Flags
  readonly #deadline: number
  readonly #stride: number
  readonly #checks: Int32Array
  readonly #call: Call

  /** `deadline` is in milliseconds since the epoch. */
  constructor(flags: SharedFlags, deadline: number, call: Call) {
    this.#flags = flags
    this.#deadline = deadline
    this.#stride = deadline === Infinity ? stride : strideOfDeadline
    this.#checks = flags.checks
    this.#call = call
  }

  /** The call has ended. Its row of flags belongs to another call from now on. */
  close(): void {
    const { interrupted, stopRequested } = this.#flags
    this.#flags = { interrupted, stopRequested }
  }

  get #isLate(): boolean {
    return this.#deadline !== Infinity && Date.now() >= this.#deadline
  }

  get stopRequested(): boolean {
    return this.#flags.stopRequested || this.#isLate
  }

  get interrupted(): boolean {
    return this.#flags.interrupted || this.#isLate
  }

  get reason(): CancelReason.CancelReason | undefined {
    // A function that was only asked to stop is interrupted by its deadline, and not by the request.
    if (this.#isLate && !this.#flags.interrupted) return lateOf(this.#deadline)
    return this.#flags.stopRequested ? (this.#call.given ?? pending) : undefined
  }

  check(): void {
    // The array has one element.
    if (--this.#checks[0]! >= 0) return
    // Set before the look, because a later request sets the counter to 0 again.
    this.#checks[0] = this.#stride - 1
    if (!this.interrupted) return
    this.#checks[0] = 0
    throw toError(this.reason ?? pending)
  }
}

const lateOf = (deadline: number): CancelReason.CancelReason => ({
  _tag: "DeadlineExceeded",
  message: "The deadline has passed",
  deadline
})

/** The reason until the message with the real one has been taken. */
export const pending: CancelReason.CancelReason = {
  _tag: "Interrupted",
  message: "Cancelled from outside; the reason arrives later"
}
