/**
 * The payload of a call whose contract has middleware, with the headers that the client middleware has set. Calls without
 * middleware send the bare payload.
 */
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import type { Wire } from "./wire.ts"

export interface Envelope {
  readonly payload: unknown
  readonly headers: Headers.Headers
}

const misfit = "The call has no envelope. The worker's contract has middleware and the host's contract has none"

/** The wire of an envelope around the payloads of `wire`. */
export const around = (wire: Wire): Wire => ({
  isPlain: false,
  encode: (value, transfers) => {
    // Only the pool's own calls reach this wire.
    const { headers, payload } = value as Envelope
    return Effect.map(wire.encode(payload, transfers), (encoded) => ({ headers: { ...headers }, payload: encoded }))
  },
  decode: (encoded) => {
    if (!isEncoded(encoded)) return Effect.fail(misfit)
    const headers = Headers.fromInput(encoded.headers)
    return Effect.map(wire.decode(encoded.payload), (payload): Envelope => ({ headers, payload }))
  }
})

interface Encoded {
  readonly payload: unknown
  readonly headers: Readonly<Record<string, string>>
}

const isEncoded = (value: unknown): value is Encoded =>
  typeof value === "object" &&
  value !== null &&
  "payload" in value &&
  "headers" in value &&
  typeof value.headers === "object" &&
  value.headers !== null &&
  Object.values(value.headers).every((header) => typeof header === "string")
