/**
 * Encodes and decodes the values of a contract. A Schema encodes only if the encoded form differs from the value,
 * because structured clone copies the value anyway. The receiver always decodes.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as ForcedEnd from "@quiesce/core/ForcedEnd"
import * as Schemas from "@quiesce/core/Schemas"
import { hasAtMost, isError, messageOf, plainReason, textOf } from "@quiesce/core/internal"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Rpc from "effect/rpc/Rpc"
import * as RpcSchema from "effect/rpc/RpcSchema"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as Transferable from "effect/workers/Transferable"
import * as Envelope from "./envelope.ts"
import { cutName, type EncodedExit, type EncodedReason, maxReasons } from "./message.ts"
import { isDone, type Problem, type TaskCodec, type Wire } from "./wire.ts"

type AnySchema = Schema.Codec<unknown, unknown>

const wires = new WeakMap<SchemaAST.AST, Wire>()

const wireOf = (schema: Schema.Top): Wire => {
  let wire = wires.get(schema.ast)
  if (wire === undefined) {
    // The services that the Schema needs come from the environment in which the contract is used.
    wire = makeWire(schema as unknown as AnySchema)
    wires.set(schema.ast, wire)
  }
  return wire
}

const makeWire = (schema: AnySchema): Wire => {
  const decodeEffect = Schema.decodeUnknownEffect(schema)
  const decode = (encoded: unknown): Effect.Effect<unknown, Problem> => {
    const decoded = attempt(() => decodeEffect(encoded))
    if (isDone(decoded)) return decoded
    return Effect.catchDefect(Effect.mapError(decoded, messageOf), (defect) => Effect.fail(messageOf(defect)))
  }
  if (SchemaAST.toEncoded(schema.ast) === schema.ast) {
    return { isPlain: true, encode: (value) => Effect.succeed(value), decode }
  }
  const encodeEffect = Schema.encodeUnknownEffect(schema)
  return {
    isPlain: false,
    encode: (value, transfers) =>
      Effect.suspend(() => {
        const collector = Transferable.makeCollectorUnsafe()
        return encodeEffect(value).pipe(
          Effect.provideService(Transferable.Collector, collector),
          Effect.map((encoded) => {
            transfers.push(...collector.readUnsafe())
            return encoded
          }),
          Effect.mapError((issue) => issue.message)
        )
      }),
    decode
  }
}

/** A Schema throws for a value that is too deep for it. */
const attempt = <A, E>(decode: () => Effect.Effect<A, E>): Effect.Effect<A, E | Problem> => {
  try {
    return decode()
  } catch (cause) {
    return Effect.fail(messageOf(cause))
  }
}

/** The wire of errors. Encoding fails for an error outside the contract. */
const errorWireOf = (schema: Schema.Top): Wire => {
  const wire = wireOf(schema)
  return wire.isPlain ? { ...wire, encode: wire.decode } : wire
}

const codecs = new WeakMap<object, TaskCodec>()

/** A codec for schemas that are not of an Rpc. */
export const make = (
  name: string,
  schemas: { readonly payload: Schema.Top; readonly success: Schema.Top; readonly error: Schema.Top }
): TaskCodec => ({
  name,
  payload: wireOf(schemas.payload),
  success: wireOf(schemas.success),
  error: errorWireOf(schemas.error),
  element: undefined
})

/** The schema of all errors that a call may give: of its handler, its stream and its middleware. */
const errorSchemaOf = (rpc: Rpc.AnyWithProps, ofStream: Schema.Top | undefined): Schema.Top => {
  const others = new Set(Array.from(rpc.middlewares, ({ error }) => error))
  if (ofStream !== undefined) others.add(ofStream)
  return others.size === 0 ? rpc.errorSchema : Schema.Union([rpc.errorSchema, ...others])
}

/** The codec of an Rpc, made once. */
export const of = (rpc: Rpc.AnyWithProps): TaskCodec => {
  let codec = codecs.get(rpc)
  if (codec === undefined) {
    const stream = RpcSchema.isStreamSchema(rpc.successSchema) ? rpc.successSchema : undefined
    const payload = wireOf(rpc.payloadSchema)
    codec = {
      name: rpc._tag,
      payload: rpc.middlewares.size === 0 ? payload : Envelope.around(payload),
      success: wireOf(stream === undefined ? rpc.successSchema : Schema.Void),
      error: errorWireOf(errorSchemaOf(rpc, stream?.error)),
      element: stream === undefined ? undefined : wireOf(stream.success)
    }
    codecs.set(rpc, codec)
  }
  return codec
}

type Fields = Readonly<Record<string, unknown>>

/** Plain reasons have no field that is undefined. One cancel may reach thousands of tasks, so no list of entries is made. */
const hasSameFields = (a: object, b: object): boolean => {
  let count = 0
  for (const key in a) {
    if (!Object.is((a as Fields)[key], (b as Fields)[key])) return false
    count++
  }
  return count === Object.keys(b).length
}

/** The last reason without a cause. One request often reaches many tasks, and its reason crosses with each of them. */
let lastReceived: CancelReason.CancelReason | undefined

const encodeReason = Schema.encodeSync(Schemas.CancelReason)
const decodeReason = Schema.decodeUnknownExit(Schemas.CancelReason)

/**
 * A Schema visits a shared part once for each path to the part, and recurs. Reasons and defects with more parts or levels
 * are sent and received as text.
 */
export const isBounded = (u: unknown): boolean => hasAtMost(u, 10_000, 100)

/** Never throws. Only the cause of a foreign abort needs a Schema, whose first use takes some milliseconds. */
export const reasonToWire = (reason: CancelReason.CancelReason): unknown => {
  if (reason._tag !== "Aborted") return plainReason(reason)
  const { cause } = reason
  const text = (): unknown => encodeReason({ ...reason, cause: textOf(cause) })
  if (!isBounded(cause)) return text()
  try {
    return encodeReason(reason)
  } catch {
    // The cause can't be read.
    return text()
  }
}

/** Any other value becomes the content of an `Aborted` reason. */
export const reasonFromWire = (encoded: unknown): CancelReason.CancelReason => {
  if (CancelReason.isCancelReason(encoded) && encoded._tag !== "Aborted") {
    const reason = plainReason(encoded)
    if (lastReceived === undefined || !hasSameFields(lastReceived, reason)) lastReceived = reason
    return lastReceived
  }
  if (!isBounded(encoded)) return CancelReason.aborted(textOf(encoded))
  const exit = decodeReason(encoded)
  return Exit.isSuccess(exit) ? exit.value : CancelReason.aborted(encoded)
}

const Defect = Schema.Defect({ includeStack: true })
const encodeDefect = Schema.encodeUnknownExit(Defect)
const decodeDefect = Schema.decodeUnknownExit(Defect)

type Parts = Readonly<Record<"name" | "message" | "stack", unknown>> & { readonly cause?: unknown }

/** An error without its other properties, such as the response of a client, which are not sent and may be endless. */
const slim = ({ cause, message, name, stack }: Parts): Error => {
  const error = Object.assign(new Error(plainText(message)), { name: plainText(name), stack: plainText(stack) })
  if (cause !== undefined) error.cause = isBounded(cause) ? cause : slimCause(cause)
  return error
}

/** A cause may contain itself, so its own cause is left out. */
const slimCause = (cause: unknown): unknown => {
  if (!isError(cause)) return messageOf(cause)
  const { message, name, stack } = cause
  return slim({ message, name, stack })
}

const plainText = (u: unknown): string => (typeof u === "string" ? u : textOf(u))

const defectToWire = (given: unknown): unknown => {
  if (!isBounded(given) && !isError(given)) return messageOf(given)
  try {
    const defect = isError(given) && !isBounded(given) ? slim(given) : given
    const exit = encodeDefect(defect)
    return Exit.isSuccess(exit) ? exit.value : messageOf(defect)
  } catch {
    // The defect can't be read.
    return messageOf(given)
  }
}

const defectFromWire = (encoded: unknown): unknown => {
  if (!isBounded(encoded)) return textOf(encoded)
  const exit = decodeDefect(encoded)
  return Exit.isSuccess(exit) ? exit.value : encoded
}

/** The encoded form of an exit. A value or an error that can't be encoded becomes a defect with the problem. */
export const exitToWire = (
  codec: TaskCodec,
  exit: Exit.Exit<unknown, unknown>,
  transfers: Array<unknown>
): Effect.Effect<EncodedExit> => {
  if (Exit.isSuccess(exit)) {
    const encoded = codec.success.encode(exit.value, transfers)
    if (isDone(encoded)) return Effect.succeed({ _tag: "Success", value: encoded.value })
    return Effect.match(encoded, {
      onSuccess: (value): EncodedExit => ({ _tag: "Success", value }),
      onFailure: (problem): EncodedExit => failure({ _tag: "Die", defect: defectToWire(new Error(problem)) })
    })
  }
  const reasons = inOrder(exit.cause.reasons.slice(0, maxReasons), (reason): Effect.Effect<EncodedReason> => {
    switch (reason._tag) {
      case "Fail":
        return Effect.match(codec.error.encode(reason.error, transfers), {
          onSuccess: (error): EncodedReason => ({ _tag: "Fail", error }),
          // An error outside the contract, such as a ThreadError of misuse, is a defect for the caller.
          onFailure: (): EncodedReason => ({ _tag: "Die", defect: defectToWire(reason.error) })
        })
      case "Die":
        return Effect.succeed({ _tag: "Die", defect: defectToWire(reason.defect) })
      case "Interrupt":
        return Effect.succeed(interruptToWire(reason))
    }
  })
  return mapped(reasons, (cause): EncodedExit => ({ _tag: "Failure", cause }))
}

/** The effect of each item, one after another. Plain successes give a plain success, which takes no fiber. */
const inOrder = <A, B, E>(
  items: ReadonlyArray<A>,
  f: (item: A) => Effect.Effect<B, E>
): Effect.Effect<ReadonlyArray<B>, E> => {
  const effects = items.map(f)
  return effects.every(isDone) ? Exit.succeed(effects.map(({ value }) => value)) : Effect.all(effects)
}

const mapped = <A, B, E>(effect: Effect.Effect<A, E>, f: (value: A) => B): Effect.Effect<B, E> =>
  isDone(effect) ? Exit.succeed(f(effect.value)) : Effect.map(effect, f)

const interruptToWire = (entry: Cause.Interrupt): EncodedReason => {
  const cause = Cause.fromReasons([entry])
  const reason = reasonToWire(CancelReason.firstOfCause(cause) ?? CancelReason.interrupted())
  const end = Option.getOrUndefined(ForcedEnd.fromCause(cause))
  if (end?._tag !== "Killed") return { _tag: "Interrupt", reason }
  return { _tag: "Killed", reason, thread: cutName(end.thread), lost: end.lost.slice(0, maxReasons).map(cutName) }
}

const failure = (reason: EncodedReason): EncodedExit => ({ _tag: "Failure", cause: [reason] })

/** Whether a Cause has one interruption, for this very reason, and nothing else that is sent. */
export const isInterruptionFor = (cause: Cause.Cause<unknown>, reason: CancelReason.CancelReason): boolean => {
  const [first] = cause.reasons
  return (
    cause.reasons.length === 1 &&
    first?._tag === "Interrupt" &&
    CancelReason.firstOfCause(cause) === reason &&
    Option.getOrUndefined(ForcedEnd.fromCause(cause))?._tag !== "Killed"
  )
}

let lastInterrupted:
  | { readonly reason: CancelReason.CancelReason; readonly exit: Effect.Effect<Exit.Exit<never>> }
  | undefined

/** Equal calls in a row get the same exit. */
const interruptedFor = (reason: CancelReason.CancelReason): Effect.Effect<Exit.Exit<never>> => {
  if (lastInterrupted?.reason !== reason) {
    lastInterrupted = { reason, exit: Effect.succeed(Exit.failCause(CancelReason.toCause(reason))) }
  }
  return lastInterrupted.exit
}

/** Decodes an exit. Fails if the exit does not fit the contract. */
export const exitFromWire = (
  codec: TaskCodec,
  encoded: EncodedExit
): Effect.Effect<Exit.Exit<unknown, unknown>, Problem> => {
  if (encoded._tag === "Success") {
    const decoded = codec.success.decode(encoded.value)
    return isDone(decoded) ? Effect.succeed(decoded) : Effect.map(decoded, Exit.succeed)
  }
  const [first] = encoded.cause
  if (encoded.cause.length === 1 && first?._tag === "Interrupt") return interruptedFor(reasonFromWire(first.reason))
  const reasons = inOrder(encoded.cause, (reason): Effect.Effect<Cause.Reason<unknown>, Problem> => {
    switch (reason._tag) {
      case "Fail":
        return Effect.map(codec.error.decode(reason.error), (error) => Cause.makeFailReason(error))
      case "Die":
        return Effect.succeed(Cause.makeDieReason(defectFromWire(reason.defect)))
      case "Interrupt":
        return Effect.succeed(CancelReason.toCause(reasonFromWire(reason.reason)).reasons[0]!)
      case "Killed": {
        const cause = CancelReason.toCause(reasonFromWire(reason.reason))
        return Effect.succeed(ForcedEnd.annotate(cause, ForcedEnd.killed(reason.thread, reason.lost)).reasons[0]!)
      }
    }
  })
  return mapped(reasons, (all) => Exit.failCause(Cause.fromReasons(all)))
}
