/** The second argument of a plain function. Most functions use a part of it, so each part is made on its first use. */
import { toError } from "@quiesce/core/internal/plain"
import type * as CancelReason from "@quiesce/core/CancelReason"
import type * as StopToken from "@quiesce/core/StopToken"
import type { TaskLeases } from "./plainLeases.ts"
import type { PlainToken } from "./plainToken.ts"

/** Sends a report of the function, and completes when the next one may be sent. */
export type Report = (value: unknown) => Promise<void>

export class Context {
  readonly token: StopToken.StopToken
  private readonly send: Report
  private readonly reason: () => CancelReason.CancelReason | undefined
  private readonly leases: () => TaskLeases
  private controller: AbortController | undefined = undefined

  constructor(
    token: PlainToken,
    reason: () => CancelReason.CancelReason | undefined,
    send: Report,
    leases: () => TaskLeases
  ) {
    this.token = token
    this.reason = reason
    this.send = send
    this.leases = leases
  }

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController()
      const reason = this.reason()
      if (reason !== undefined) this.controller.abort(toError(reason))
    }
    return this.controller.signal
  }

  get report(): Report {
    return this.send
  }

  get lease(): TaskLeases {
    return this.leases()
  }

  /** Tells the function, by its signal. */
  abort(reason: CancelReason.CancelReason): void {
    this.controller?.abort(toError(reason))
  }
}
