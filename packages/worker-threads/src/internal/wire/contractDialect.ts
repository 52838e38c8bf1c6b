/** The dialect of pools with a contract: Schemas encode and decode. */
import { EncodedError, messageOf } from "@quiesce/core/internal"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { exitFromWire, isBounded, reasonToWire } from "./codec.ts"
import type { Dialect } from "./dialect.ts"

/**
 * An instance of a Schema's class is encoded by that Schema, any other error by its name and message. An error that came
 * from another machine is encoded already.
 */
const errorToWire = (error: unknown): unknown => {
  if (error instanceof EncodedError) return isBounded(error.encoded) ? error.encoded : messageOf(error.encoded)
  if (!isBounded(error)) return messageOf(error)
  const maker: unknown = typeof error === "object" && error !== null ? error.constructor : undefined
  const schema = Schema.isSchema(maker) ? (maker as unknown as Schema.Codec<unknown, unknown>) : Schema.Defect()
  try {
    const encoded = Schema.encodeUnknownExit(schema)(error)
    return Exit.isSuccess(encoded) ? encoded.value : messageOf(error)
  } catch {
    // The error can't be read.
    return messageOf(error)
  }
}

export const contractDialect: Dialect = {
  reasonToWire,
  errorToWire,
  // The contract says what is transferred.
  transferred: () => undefined,
  exitFromWire
}
