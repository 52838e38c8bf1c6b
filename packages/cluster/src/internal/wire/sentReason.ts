/**
 * The Schema of a reason that a program gave, for the wire and for the store. Core takes any value with the tag and the
 * message of a reason. Each such value can be encoded, because a request with another value would never be sent.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Schemas from "@quiesce/core/Schemas"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

const strict = Schema.toCodecJson(Schemas.CancelReason)
const encode = Schema.encodeUnknownEffect(strict)
const decode = Schema.decodeUnknownEffect(strict)

/** A reason without the fields of its kind is encoded as an `Interrupted` with its message. */
export const SentReason: Schema.Codec<CancelReason.CancelReason, Schema.Json> = Schema.Json.pipe(
  Schema.decodeTo(
    Schema.declare(CancelReason.isCancelReason),
    SchemaTransformation.transformEffect({
      decode: (json: Schema.Json) => Effect.mapError(decode(json), ({ issue }) => issue),
      encode: (reason: CancelReason.CancelReason) =>
        // The Schema may also throw, such as for a getter.
        Effect.catchCause(
          Effect.suspend(() => encode(reason)),
          () => Effect.orDie(encode(plain(reason)))
        )
    })
  )
)

const plain = ({ at, by, message }: CancelReason.CancelReason): CancelReason.CancelReason => ({
  ...CancelReason.interrupted({ message }),
  by,
  at
})
