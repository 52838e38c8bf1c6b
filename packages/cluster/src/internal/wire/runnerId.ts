/** The identity of a runner process. */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Schema from "effect/Schema"

/** `incarnation` differs after each start. `host` and `port` are null for a runner in the process of its client. */
export const RunnerId = Schema.Struct({
  incarnation: Schema.String,
  host: Schema.NullOr(Schema.String),
  port: Schema.NullOr(Schema.Number)
})
export type RunnerId = typeof RunnerId.Type

export const nameOf = ({ host, incarnation, port }: RunnerId): string =>
  host === null || port === null ? incarnation : `${host}:${port}`

/** The address of a runner as text, which `fromAddress` reads. Null for a runner in the process of its client. */
export const addressOf = ({ host, port }: RunnerId): string | null =>
  host === null || port === null ? null : `${host}:${port}`

/** The runner of an incarnation, from the text of its address. */
export const fromAddress = (incarnation: string, address: string | null): RunnerId => {
  const colon = address?.lastIndexOf(":") ?? -1
  const port = Number(address?.slice(colon + 1))
  return address === null || colon < 1 || !Number.isInteger(port)
    ? { incarnation, host: null, port: null }
    : { incarnation, host: address.slice(0, colon), port }
}

/** The reason of a thread after the death of its runner. */
export const lostReason = (runner: string): CancelReason.CancelReason =>
  CancelReason.lost(runner, { message: `The runner ${runner} is gone` })
