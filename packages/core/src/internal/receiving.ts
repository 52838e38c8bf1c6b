/** The work of `Thread.receive`: accepts errors that are raised into a thread from outside. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { hasProperty } from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"
import * as CancelReason from "../CancelReason.ts"
import * as CancelScope from "./cancelScope.ts"
import { EncodedError } from "./encodedError.ts"
import { readOr } from "./foreignValue.ts"
import { Inbox, nothing, type RaisedError, type RaiseHandler } from "./inbox.ts"
import type { ThreadNode } from "./threadNode.ts"

/**
 * The key of Schemas, which a test compares. The module `Schema` takes as long to load as all of core, so a program without
 * Schemas does not load it.
 */
export const schemaKey = "~effect/Schema/Schema"

/** The first of the values that is no Schema: a user without types may give a plain class. */
export const invalidIn = (errors: ReadonlyArray<unknown>): Option.Option<unknown> => {
  const index = errors.findIndex((error) => !hasProperty(error, schemaKey))
  return index < 0 ? Option.none() : Option.some(errors[index])
}

type AnySchema = Schema.Constraint & { readonly DecodingServices: never }

export const receive = <A, E, R>(
  node: ThreadNode,
  effect: Effect.Effect<A, E, R>,
  errors: ReadonlyArray<AnySchema>
): Effect.Effect<A, unknown, R> =>
  Effect.suspend(() => {
    const inbox = (node.inbox ??= new Inbox())
    const decode = firstOf(errors.map(decoderOf))
    let handler: RaiseHandler
    return CancelScope.run(
      effect,
      (interrupt) => {
        handler = {
          accepts: (raised) => Option.isSome(decode(raised)),
          interrupt: () => interrupt(interruptedByRaise),
          hold: nothing
        }
        inbox.enter(handler)
        return (interruptedAsWhole) => inbox.leave(handler, interruptedAsWhole)
      },
      (exit): Effect.Effect<A, unknown> => {
        if (handler.hold._tag !== "Claimed") return exit
        const { raised } = handler.hold
        raised.answer(true)
        // The handler claims only errors that it can decode.
        const failure = Effect.fail(Option.getOrThrow(decode(raised)))
        // The error of a finalizer is one of the effect's, which the result may fail with.
        return Effect.ensuring(failure, CancelScope.failures(exit) as Effect.Effect<void>)
      }
    )
  })

type Decoder = (raised: RaisedError) => Option.Option<unknown>

/** The first Schema that accepts an error decodes it. */
const firstOf =
  (decoders: ReadonlyArray<Decoder>): Decoder =>
  (raised) => {
    for (const decode of decoders) {
      const decoded = decode(raised)
      if (Option.isSome(decoded)) return decoded
    }
    return Option.none()
  }

/**
 * Decodes an error that crossed from another thread. Any other raised error is returned unchanged. Each error is decoded
 * once by each Schema, because it is offered to one handler after the other while it waits.
 */
const decoderOf = (schema: AnySchema): Decoder => {
  const is = SchemaParser.is(schema)
  const decode = SchemaParser.decodeUnknownExit(schema)
  const accept = (error: unknown): Option.Option<unknown> => {
    if (error instanceof EncodedError) return Exit.getSuccess(decode(error.encoded))
    return is(error) ? Option.some(error) : Option.none()
  }
  return ({ decoded, error }) => {
    const known = decoded.get(schema)
    if (known !== undefined) return known
    // An error whose parts throw is not accepted.
    const result = readOr(() => accept(error), Option.none())
    decoded.set(schema, result)
    return result
  }
}

const interruptedByRaise = /* @__PURE__ */ CancelReason.interrupted({ message: "An error was raised into this work" })
