/**
 * The Schema of a reason that a program gave, for the wire and for the store. Each reason can be encoded, because a request
 * with another one would never be sent.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import { textOf } from "@quiesce/core/internal"
import * as Schemas from "@quiesce/core/Schemas"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

const strict = Schema.toCodecJson(Schemas.CancelReason)
const encode = Schema.encodeUnknownEffect(strict)
const decode = Schema.decodeUnknownEffect(strict)

/** A cause that can't be read is encoded as its text. */
export const SentReason: Schema.Codec<CancelReason.CancelReason, Schema.Json> = Schema.Json.pipe(
  Schema.decodeTo(
    Schema.declare(CancelReason.isCancelReason),
    SchemaTransformation.transformEffect({
      decode: (json: Schema.Json) => Effect.mapError(decode(json), ({ issue }) => issue),
      encode: (reason: CancelReason.CancelReason) =>
        // The Schema may also throw, such as for a getter.
        Effect.catchCause(
          Effect.suspend(() => encode(reason)),
          () => Effect.orDie(encode(withText(reason)))
        )
    })
  )
)

const withText = (reason: CancelReason.CancelReason): CancelReason.CancelReason =>
  reason._tag === "Aborted" ? { ...reason, cause: textOf(reason.cause) } : reason
