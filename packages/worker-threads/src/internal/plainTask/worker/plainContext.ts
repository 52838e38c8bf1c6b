/** The second argument of a plain function. Most functions use a part of it, so each part is made on its first use. */
import { toError } from "@quiesce/core/internal/plain"
import type * as CancelReason from "@quiesce/core/CancelReason"
import type * as StopToken from "@quiesce/core/StopToken"
import type { TaskLeases } from "./plainLeases.ts"
import type { PlainToken } from "./plainToken.ts"

/** Sends a report of the function, and completes when the next one may be sent. */
export type Report = (value: unknown) => Promise<void>

/** The call of the function, as its context needs it. */
export interface Source {
  readonly token: PlainToken
  readonly reason: CancelReason.CancelReason | undefined
  readonly report: Report
  readonly leases: TaskLeases
  /** Moves the parts with the result. */
  readonly move: (parts: Iterable<unknown>) => void
}

/** Marks parts of the result, which are moved to the caller. Returns the value as it is. */
export type Transfer = <A>(value: A, parts: Iterable<unknown>) => A

export class Context {
  readonly token: StopToken.StopToken
  readonly #source: Source
  #controller: AbortController | undefined

  constructor(source: Source) {
    this.token = source.token
    this.#source = source
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      const { reason } = this.#source
      if (reason !== undefined) this.#controller.abort(toError(reason))
    }
    return this.#controller.signal
  }

  get report(): Report {
    return this.#source.report
  }

  get lease(): TaskLeases {
    return this.#source.leases
  }

  get transfer(): Transfer {
    return (value, parts) => {
      this.#source.move(parts)
      return value
    }
  }

  /** Tells the function, by its signal. */
  abort(reason: CancelReason.CancelReason): void {
    this.#controller?.abort(toError(reason))
  }
}
